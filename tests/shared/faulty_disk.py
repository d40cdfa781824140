"""A disk on which the process dies at a chosen step."""

from __future__ import annotations

from pathlib import Path

from fl_core.durable import Disk


class Death(BaseException):
    """The process is gone: nothing may catch this."""


class FaultyDisk(Disk):
    """Counts the steps of all writes and dies at one of them.

    Args:
        step: The step at which to die, from 0; None: never.
        when: ``before`` the step is done, ``torn`` in it, or ``after`` it.
    """

    def __init__(self, step: int | None = None, when: str = "before") -> None:
        self.steps: list[str] = []
        self._step = step
        self._when = when

    def _open(self, path: Path) -> int:
        self._reach("open", path)
        handle = super()._open(path)
        self._leave()
        return handle

    def _open_to_append(self, path: Path) -> int:
        self._reach("open to append", path)
        handle = super()._open_to_append(path)
        self._leave()
        return handle

    def _put(self, handle: int, content: bytes | memoryview) -> None:
        self._reach("write")
        if self._is_here and self._when == "torn":
            super()._put(handle, content[: len(content) // 2])
            raise Death
        super()._put(handle, content)
        self._leave()

    def _sync(self, handle: int) -> None:
        self._reach("fsync")
        super()._sync(handle)
        self._leave()

    def _rename(self, source: Path, target: Path) -> None:
        self._reach("rename", target)
        super()._rename(source, target)
        self._leave()

    def _sync_folder(self, folder: Path) -> None:
        self._reach("fsync folder")
        super()._sync_folder(folder)
        self._leave()

    @property
    def _is_here(self) -> bool:
        return self._step == len(self.steps) - 1

    def _reach(self, step: str, path: Path | None = None) -> None:
        self.steps.append(f"{step} {path.name}" if path else step)
        if self._is_here and self._when == "before":
            raise Death

    def _leave(self) -> None:
        if self._is_here and self._when == "after":
            raise Death
