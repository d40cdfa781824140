"""Durable writes: every file that a resume depends on goes through a `Disk`.

A reader sees the old content or the new one, never a part. Tests pass a `Disk` whose steps can
stop the process, so that crash safety is shown at every single step.
"""

from __future__ import annotations

import os
from pathlib import Path


class Disk:
    """The four steps of an atomic write, each a method so that a test can fail it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Disk().write(Path(folder) / "a.txt", b"hello")
        ...     (Path(folder) / "a.txt").read_bytes()
        b'hello'
    """

    def write(self, path: Path, content: bytes) -> None:
        """Replace `path` by `content`, atomically and durably.

        Raises:
            OSError: The disk refused (full, read-only); `path` still has its old content.
        """
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            handle = self._open(temporary)
            try:
                self._put(handle, content)
                self._sync(handle)
            finally:
                os.close(handle)
            self._rename(temporary, path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            error.filename = error.filename or str(path)  # a full disk names no file by itself
            raise
        self._sync_folder(path.parent)

    def _open(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

    def _put(self, handle: int, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]

    def _sync(self, handle: int) -> None:
        os.fsync(handle)

    def _rename(self, source: Path, target: Path) -> None:
        source.replace(target)

    def _sync_folder(self, folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
