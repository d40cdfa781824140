"""Where the bytes of an upload come from: a file, or the memory that holds the arrays."""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Protocol


class Source(Protocol):
    """Bytes that can be read from any place, again after a transfer broke off."""

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from an offset on; none only at the end.

        Raises:
            OSError: They cannot be read.
        """
        ...


class Pieces:
    """Bytes in memory, in pieces that belong to somebody else; nothing is copied before it is read.

    Args:
        pieces: In order, as `fl_core.tensors.stream.stream` yields them.

    Example:
        >>> Pieces([memoryview(b"abc"), memoryview(b"de")]).read(2, 2)
        b'cd'
    """

    def __init__(self, pieces: Iterable[memoryview]) -> None:
        self._pieces = [piece.cast("B") for piece in pieces if piece.nbytes]
        self._ends = list(accumulate(len(piece) for piece in self._pieces))

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self._ends[-1] if self._ends else 0

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from an offset on."""
        taken = []
        index = bisect.bisect_right(self._ends, offset)
        while count > 0 and index < len(self._pieces):
            piece = self._pieces[index]
            begin = offset - (self._ends[index] - len(piece))
            part = piece[begin : begin + count]
            taken.append(part)
            offset, count, index = offset + len(part), count - len(part), index + 1
        return b"".join(taken)


class FileSource:
    """An open file; see `open_file`."""

    def __init__(self, handle: int, path: Path) -> None:
        self._handle = handle
        self._path = path

    @property
    def size(self) -> int:
        """The file's size now."""
        return os.fstat(self._handle).st_size

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from an offset on.

        Raises:
            OSError: The file cannot be read.
        """
        return os.pread(self._handle, count, offset)


@contextmanager
def open_file(path: Path) -> Iterator[FileSource]:
    """Open a file while the block lasts.

    Raises:
        OSError: It cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        yield FileSource(handle, path)
    finally:
        os.close(handle)
