"""A file that is no longer needed, kept so that the next of its kind is written over it.

A new file's pages are dear where the kernel has to fetch their memory from a host first; an old one's are
there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class SpareFile:
    """At most one file, under a name of its own.

    Args:
        path: Where it lies, on the file system of the files that are given back.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     spare, path = SpareFile(Path(folder) / ".spare"), Path(folder) / "a"
        ...     written = path.write_bytes(b"what was there before")
        ...     spare.give_back(path)
        ...     with spare.written_over(Path(folder) / "b") as handle:
        ...         written = os.write(handle, b"new")
        ...     (Path(folder) / "b").read_bytes(), path.exists()
        (b'new', False)
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def give_back(self, file: Path) -> None:
        """Take a file that nobody reads any more; nothing happens where there is none.

        Raises:
            OSError: The disk refused.
        """
        with suppress(FileNotFoundError):
            file.replace(self._path)

    @contextmanager
    def written_over(self, file: Path) -> Iterator[int]:
        """Yield the descriptor of a file to be written from its beginning; it ends where the writing did.

        Raises:
            OSError: The disk refused.
        """
        with suppress(FileNotFoundError):
            self._path.replace(file)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield handle
            os.ftruncate(handle, os.lseek(handle, 0, os.SEEK_CUR))
        finally:
            os.close(handle)

    def remove(self) -> None:
        """Let the disk have it."""
        self._path.unlink(missing_ok=True)
