"""Durable writes: every file that a resume depends on goes through a `Disk`.

A reader of a replaced file sees the old content or the new one, never a part; an appended file ends
with all, a part or nothing of the last append. Tests pass a `Disk` whose steps can
stop the process, so that crash safety is shown at every single step.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fl_core.errors import FederationError

if TYPE_CHECKING:
    from fl_core.tensors import Tensors


class Disk:
    """The steps of durable writing, each a method so that a test can fail it.

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
        self._replace(path, (content,))

    def write_tensors(self, path: Path, tensors: Tensors, metadata: Mapping[str, Any] | None = None) -> str:
        """Replace `path` by a safetensors file, atomically and durably, without a copy of the whole.

        Args:
            path: The file.
            tensors: Arrays by name; a lazy mapping is asked for one at a time.
            metadata: Plain JSON values to keep beside them.

        Returns:
            The checksum of the file's bytes, see `fl_core.tensors.checksum`.

        Raises:
            TensorError: See `fl_core.tensors.codec.encode`; `path` still has its old content.
            OSError: The disk refused; `path` still has its old content.
        """
        from fl_core.tensors.checksum import Checksum  # numpy, which not every writer needs
        from fl_core.tensors.stream import stream

        found = Checksum()

        def pieces() -> Iterable[memoryview]:
            for piece in stream(tensors, metadata):
                found.update(piece)
                yield piece

        self._replace(path, pieces())
        return found.text

    def append(self, path: Path, content: bytes) -> None:
        """Add `content` to the end of `path` durably; the file is created if need be.

        If the process dies in here, a part of `content` may stand at the end: records that are
        appended need a length or checksum of their own. One process at a time may append.

        Raises:
            OSError: The disk refused (full, read-only); the file ends where it did before.
        """
        try:
            handle = self._open_to_append(path)
            try:
                end = os.fstat(handle).st_size
                if not end:  # before anything stands in it: a file with content has a durable name
                    self._sync_folder(path.parent)
                self._put_or_cut(handle, content, end)
            finally:
                os.close(handle)
        except OSError as error:
            error.filename = error.filename or str(path)
            raise

    def sync(self, path: Path) -> None:
        """Make a file that was written by other means durable, and its name with it.

        Raises:
            OSError: It cannot be read, or the disk refused.
        """
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._sync(handle)
        finally:
            os.close(handle)
        self._sync_folder(path.parent)

    def _replace(self, path: Path, pieces: Iterable[bytes | memoryview]) -> None:
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            handle = self._open(temporary)
            try:
                for piece in pieces:
                    self._put(handle, piece)
                self._sync(handle)
            finally:
                os.close(handle)
            self._rename(temporary, path)
        except (OSError, FederationError) as error:
            temporary.unlink(missing_ok=True)
            if isinstance(error, OSError):
                error.filename = error.filename or str(path)  # a full disk names no file by itself
            raise
        self._sync_folder(path.parent)

    def _put_or_cut(self, handle: int, content: bytes, end: int) -> None:
        try:
            self._put(handle, content)
            self._sync(handle)
        except OSError:
            os.ftruncate(handle, end)  # or the next append would follow a torn one
            raise

    def _open(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

    def _open_to_append(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def _put(self, handle: int, content: bytes | memoryview) -> None:
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
