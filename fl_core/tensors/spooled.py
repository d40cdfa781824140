"""Tensors that stay in their file: each is read when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from fl_core.errors import TensorError
from fl_core.tensors import Array
from fl_core.tensors.header import (
    DEFAULT_LIMITS,
    LENGTH_BYTES,
    Entry,
    Limits,
    array_of,
    header_end,
    read_header,
)
from fl_core.tensors.stream import Written, write_stream

__all__ = ["SpooledTensors", "Written", "write_stream"]

_MOST_AT_ONCE: Final = 1 << 30
"""Bytes of one read; Linux gives no more than 2 GiB."""


class SpooledTensors(Mapping[str, Array]):
    """A safetensors file as a mapping of read-only arrays that occupy memory only while in use.

    The header is checked once. No descriptor stays open, so thousands of files can be held. The
    file must stay where it is; if it is replaced, changed or cut off, the next access says so.
    An array that was read belongs to whoever asked for it, whatever becomes of the file.

    Args:
        path: The file.
        limits: How much it may ask for.

    Attributes:
        path: The file.
        metadata: What stands in it beside the tensors, see `fl_core.tensors.codec.decode`.

    Raises:
        TensorError: The file cannot be read, is torn, corrupt or too large; the message names it.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = write_stream(Path(folder) / "a.spool", {"w": np.arange(3.0)}, {"round": 1})
        ...     spooled = SpooledTensors(Path(folder) / "a.spool")
        ...     list(spooled), spooled["w"].sum(), spooled.nbytes, spooled.metadata
        (['w'], np.float64(3.0), 24, {'round': 1})
    """

    def __init__(self, path: Path, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self.path = path
        self.metadata: dict[str, Any] | None
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._identity = _identity(handle)
                size = self._identity[2]
                end = header_end(bytes(_read(handle, min(size, LENGTH_BYTES), 0)), size, limits)
                header = bytes(_read(handle, end, 0))
            finally:
                os.close(handle)
            self._start, entries, self.metadata = read_header(header, limits, size=size)
        except OSError as error:
            raise TensorError(f"{path}: cannot be read: {error.strerror or error}") from error
        except TensorError as error:
            raise TensorError(f"{path}: {error}") from error
        self._entries = {entry.name: entry for entry in entries}

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return self._identity[2] - self._start

    def __getitem__(self, name: str) -> Array:
        """Return one tensor, read-only.

        Raises:
            KeyError: There is none of that name.
            TensorError: The file is not as it was, or holds booleans that are none.
        """
        entry = self._entries[name]
        try:
            return self._array(entry)
        except OSError as error:
            raise TensorError(
                f"{self.path}: tensor {name!r} cannot be read: {error.strerror or error}"
            ) from error
        except TensorError as error:
            raise TensorError(f"{self.path}: {error}") from error

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, sorted."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Return the number of tensors."""
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        """Whether there is a tensor of that name; reads nothing."""
        return name in self._entries

    def _array(self, entry: Entry) -> Array:
        begin, size = self._start + entry.begin, entry.end - entry.begin
        handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _identity(handle) != self._identity:
                raise TensorError(
                    "the file was replaced, changed or cut off after it was opened; fetch it again"
                )
            return array_of(entry, _read(handle, size, begin), 0)
        finally:
            os.close(handle)


def _identity(handle: int) -> tuple[int, int, int, int]:
    """Return what tells a file and its state: device, inode, size and time of change."""
    facts = os.fstat(handle)
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


def _read(handle: int, size: int, offset: int) -> memoryview:
    content: memoryview = np.empty(size, np.uint8).data
    done = 0
    while done < size:
        count = os.preadv(handle, [content[done : done + _MOST_AT_ONCE]], offset + done)
        if not count:
            raise TensorError(
                f"{size} bytes at {offset} are not all there; the file was cut off, fetch it again"
            )
        done += count
    return content
