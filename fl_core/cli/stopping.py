"""Ctrl-C and SIGTERM: a clean end at the first, the end at once at the second.

A handler runs between any two steps of the main thread, which may hold locks. So it does nothing but note the
signal: what is to be done then runs in a thread of its own. Only foreign code that may take hours (a task, a
data set) is interrupted by an exception.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """The process was asked to end. Not an `Exception`, so that no task runner's error handling takes it.

    Attributes:
        by: The signal's name.
    """

    def __init__(self, by: str) -> None:
        super().__init__(by)
        self.by = by


class Stop:
    """Whether the process was asked to end, and what is done then.

    Attributes:
        by: Name of the signal that asked; empty before.
    """

    def __init__(self) -> None:
        self.by = ""
        self._actions: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._noted = threading.Event()
        self._ran = False
        self._interruptible = False
        self._thread = threading.Thread(target=self._wait, name="stopping", daemon=True)
        self._thread.start()

    def then(self, action: Callable[[], None]) -> None:
        """Do this when the process is asked to end, at once where it was already."""
        with self._lock:
            ran = self._ran
            if not ran:
                self._actions.append(action)
        if ran:
            action()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a signal interrupt the block.

        Raises:
            Stopped: It did, or had come before.
        """
        self._interruptible = True
        try:
            if self.by:
                raise Stopped(self.by)
            yield
        finally:
            self._interruptible = False

    def note(self, by: str) -> None:
        """Ask the process to end; called in the main thread, by the signal's handler.

        Raises:
            Stopped: Within an `interruptible` block.
        """
        self.by = by
        self._noted.set()
        if self._interruptible:
            self._interruptible = False
            raise Stopped(by)

    def close(self) -> None:
        """End the thread that waits."""
        self._noted.set()
        self._thread.join(1.0)

    def _wait(self) -> None:
        self._noted.wait()
        if not self.by:
            return
        with self._lock:
            self._ran = True
            actions = list(self._actions)
        for action in actions:
            action()


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """Note the first signal; a second one ends the process.

    Raises:
        ValueError: Not called in the main thread.
    """
    stop = Stop()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        stop.note(signal.Signals(number).name)

    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.close()
