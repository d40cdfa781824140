"""Calls that are open but move nothing: broken off after a while, so that nobody waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

_LOOKS_S: Final = 0.5


class Call(Protocol):
    """What can be broken off."""

    def cancel(self) -> object:
        """End the call; whoever waits for it gets an error."""
        ...


@dataclass(eq=False)
class Watched:
    """A call under watch.

    Attributes:
        limit_s: Seconds without a sign of life that are too many.
        heard: When the last one was.
        call: What to break off; none while it is being made.
    """

    limit_s: float
    heard: float
    clock: Callable[[], float]
    call: Call | None = None

    def alive(self) -> None:
        """Note a sign of life."""
        self.heard = self.clock()


class StallWatch:
    """One thread that looks after all open calls of a connection.

    Example:
        >>> class Forever:
        ...     ended = False
        ...     def cancel(self) -> None:
        ...         self.ended = True
        >>> watch, call = StallWatch(looks_s=0.01), Forever()
        >>> with watch.over(0.02) as watched:
        ...     watched.call = call
        ...     time.sleep(0.5)
        >>> call.ended
        True
        >>> watch.close()
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, looks_s: float = _LOOKS_S) -> None:
        self._clock = clock
        self._looks_s = looks_s
        self._lock = threading.Lock()
        self._watched: list[Watched] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._look, name="stalls", daemon=True)
        self._thread.start()

    @contextmanager
    def over(self, limit_s: float) -> Iterator[Watched]:
        """Watch one call while the block lasts."""
        watched = Watched(limit_s, self._clock(), self._clock)
        with self._lock:
            self._watched.append(watched)
        try:
            yield watched
        finally:
            with self._lock:
                self._watched.remove(watched)

    def close(self) -> None:
        """Look no more, and break off what is still open."""
        self._closed.set()
        with self._lock:
            calls = [watched.call for watched in self._watched if watched.call is not None]
        for call in calls:
            call.cancel()

    def _look(self) -> None:
        while not self._closed.wait(self._looks_s):
            now = self._clock()
            with self._lock:
                stalled = [w.call for w in self._watched if w.call is not None and now - w.heard > w.limit_s]
            for call in stalled:
                call.cancel()
