"""What a site was told and has not done yet; filled by one thread, emptied by another."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from fl_core.transport.messages import Farewell, Instruction, Release, Withdrawal, Work


@dataclass(frozen=True)
class Broken:
    """There will be no more instructions, and why."""

    error: BaseException


@dataclass
class Inbox:
    """Keeps what still matters: the newest work, withdrawals, the newest release, the end.

    Example:
        >>> inbox = Inbox()
        >>> inbox.put(Release(0))
        >>> inbox.put(Release(1))
        >>> inbox.take(timeout_s=1)
        Release(round=1)
    """

    _changed: threading.Condition = field(default_factory=threading.Condition)
    _work: Work | None = None
    _release: Release | None = None
    _end: Farewell | Broken | None = None
    _withdrawn: dict[str, str] = field(default_factory=dict)

    def put(self, told: Instruction | Broken) -> None:
        """Add what was told."""
        with self._changed:
            match told:
                case Work():
                    # Posted again after a restart of the aggregator: wanted again.
                    self._withdrawn.pop(told.key, None)
                    self._work = told
                case Withdrawal(key, reason):
                    self._withdrawn = {key: reason}
                    if self._work is not None and self._work.key == key:
                        self._work = None
                case Release():
                    self._release = told
                case _:
                    self._end = told
            self._changed.notify_all()

    def take(self, timeout_s: float | None = None) -> Work | Release | Farewell | Broken | None:
        """Return what is to be done next, and wait for it; None when nothing came for so long.

        The end comes before everything else: results are not wanted after it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._end or self._release or self._work, timeout_s)
            if self._end is not None:
                return self._end
            if self._release is not None:
                release, self._release = self._release, None
                return release
            work, self._work = self._work, None
            return work

    def unwanted(self, work: Work) -> str:
        """Return why nobody wants the results of a work any more; empty where somebody does."""
        with self._changed:
            if isinstance(self._end, Farewell):
                return "the federation is over"
            return self._withdrawn.get(work.key, "")

    def drop_repeats(self, work: Work) -> None:
        """Forget that the same work came again: its results are about to be handed in."""
        with self._changed:
            if self._work == work:
                self._work = None
