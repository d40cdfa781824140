"""A disk on which a process of several threads dies: at a chosen step, and nothing is written after it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faulty_disk import Death, FaultyDisk


class DyingDisk(FaultyDisk):
    """Does one step at a time; after the death every further step of any thread dies too."""

    def __init__(self, step: int | None = None, when: str = "before") -> None:
        super().__init__(step, when)
        self._lock = threading.Lock()
        self._dead = False

    def _alone(self, step: Callable[..., Any], *arguments: Any) -> Any:
        with self._lock:
            if self._dead:
                raise Death
            try:
                return step(*arguments)
            except Death:
                self._dead = True
                raise

    def _open(self, path: Path) -> int:
        return int(self._alone(super()._open, path))

    def _open_to_append(self, path: Path) -> int:
        return int(self._alone(super()._open_to_append, path))

    def _put(self, handle: int, content: bytes | memoryview) -> None:
        self._alone(super()._put, handle, content)

    def _sync(self, handle: int) -> None:
        self._alone(super()._sync, handle)

    def _rename(self, source: Path, target: Path) -> None:
        self._alone(super()._rename, source, target)

    def _sync_folder(self, folder: Path) -> None:
        self._alone(super()._sync_folder, folder)
