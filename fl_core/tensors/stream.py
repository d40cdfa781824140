"""Tensors as the pieces of one safetensors file, so that no copy of the whole is ever made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fl_core.errors import TensorError
from fl_core.tensors import Tensors
from fl_core.tensors.checksum import Checksum
from fl_core.tensors.header import DEFAULT_LIMITS, RESERVED, Entry, Limits, write_header
from fl_core.tensors.raw import dtype_name, raw_bytes

PIECE: Final = 1 << 20
"""Bytes of a piece: what was just hashed is still in the processor's cache when it is written."""


@dataclass(frozen=True)
class Written:
    """What a stream came to.

    Attributes:
        size: Bytes of the file.
        checksum: Of all of them, see `fl_core.tensors.checksum`.
    """

    size: int
    checksum: str


def stream(
    tensors: Tensors, metadata: Mapping[str, Any] | None = None, *, limits: Limits = DEFAULT_LIMITS
) -> Iterator[memoryview]:
    """Yield a safetensors file in pieces of about `PIECE` bytes; small tensors share one.

    Joined they are what `fl_core.tensors.codec.encode` returns. A lazy mapping is asked twice for
    every tensor, once for its place and once for its content.

    Args:
        tensors: Arrays by name; any order, byte order and strides.
        metadata: See `encode`.
        limits: What a reader will accept.

    Raises:
        TensorError: See `encode`; before the first piece.

    Example:
        >>> import numpy as np
        >>> [len(piece) for piece in stream({"w": np.zeros(3 * PIECE, np.uint8), "b": np.ones(2)})]
        [144, 1048576, 1048576, 1048576]
    """
    entries = _entries(tensors)
    waiting = bytearray(write_header(entries, metadata, limits))
    for entry in entries:
        content = raw_bytes(tensors[entry.name], entry.name).data
        if content.nbytes != entry.end - entry.begin:
            raise TensorError(f"tensor {entry.name!r} changed its size while it was written")
        if len(waiting) + content.nbytes <= PIECE:
            waiting += content
            continue
        if waiting:
            yield memoryview(waiting)
        waiting = bytearray()
        if content.nbytes <= PIECE:
            waiting += content
            continue
        for start in range(0, content.nbytes, PIECE):
            yield content[start : start + PIECE]
    if waiting:
        yield memoryview(waiting)


def write_stream(
    target: Path | int,
    tensors: Tensors,
    metadata: Mapping[str, Any] | None = None,
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> Written:
    """Write tensors to a file without a copy of the whole. Not atomic: see `Disk.write_tensors`.

    Args:
        target: A path, which is created or replaced, or an open descriptor, which stays open.
        tensors: Arrays by name.
        metadata: See `encode`.
        limits: What a reader will accept.

    Returns:
        How many bytes were written, and their checksum.

    Raises:
        TensorError: See `encode`.
        OSError: The disk refused.
    """
    pieces = stream(tensors, metadata, limits=limits)
    if isinstance(target, int):
        return _write(target, pieces)
    with target.open("wb", buffering=0) as file:
        return _write(file.fileno(), pieces)


def _write(handle: int, pieces: Iterable[memoryview]) -> Written:
    size, found = 0, Checksum()
    for piece in pieces:
        found.update(piece)
        size += piece.nbytes
        while piece:
            piece = piece[os.write(handle, piece) :]
    return Written(size, found.text)


def _entries(tensors: Tensors) -> list[Entry]:
    """Place the tensors by falling item size, then by name: so every array is aligned to its items."""
    facts = {}
    for name in tensors:
        if not isinstance(name, str) or name == RESERVED:
            raise TensorError(f"tensor name {name!r} must be text other than {RESERVED!r}")
        array = tensors[name]
        facts[name] = (dtype_name(array, name), array.shape, array.dtype.itemsize, array.nbytes)
    entries, end = [], 0
    for name in sorted(facts, key=lambda name: (-facts[name][2], name)):
        code, shape, _, nbytes = facts[name]
        entries.append(Entry(name, code, shape, end, end + nbytes))
        end += nbytes
    return entries
