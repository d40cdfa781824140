"""Beats: what a site says while it works, so that the aggregator knows that it is alive."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

SHORTEST_S = 1.0
"""Seconds between two beats at least: a site whose work takes milliseconds does not beat for each of them."""


class Beats:
    """Sends what the site does, at once when it changes and again at every beat, from a thread of its own.

    Args:
        send: Sends one text; never raises for a lost connection.
        beat_s: Seconds between two beats.
    """

    def __init__(self, send: Callable[[str], None], beat_s: float) -> None:
        self._send = send
        self._beat_s = beat_s
        self._text = ""
        self._changed = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beats", daemon=True)

    def say(self, text: str) -> None:
        """Say from now on that the site does this."""
        self._text = text
        self._changed.set()

    def _run(self) -> None:
        while not self._over.is_set():
            self._changed.wait(self._beat_s)
            self._changed.clear()
            if self._over.is_set():
                return
            self._send(self._text)
            self._over.wait(min(SHORTEST_S, self._beat_s))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._changed.set()
        self._thread.join(1.0)  # a beat under way ends with its connection
