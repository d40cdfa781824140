"""Sets of arrays in anonymous shared files: written once, sealed, mapped read-only by the receiver.

A set travels as one file descriptor and a layout table. The receiver trusts neither: every entry is
checked against an allow-list of dtypes and the size of the file before an array is made of it.
Nothing is pickled.
"""

from __future__ import annotations

import fcntl
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from fl_core.errors import FederationError
from fl_core.ipc.mapping import map_read_only
from fl_core.tensors import Array, Tensors

ALIGNMENT: Final = 64
"""Bytes to which every array's start is aligned (a cache line, the widest vector register)."""

DTYPES: Final[Mapping[str, np.dtype[Any]]] = {
    np.dtype(name).name: np.dtype(name).newbyteorder("<")
    for name in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8")
}
"""What may cross, by name; on both sides little-endian."""

MAX_ARRAYS: Final = 1_000_000
MAX_NAME: Final = 1024
_SEALS: Final = 0x0001 | 0x0002 | 0x0004 | 0x0008  # seal, shrink, grow, write: <linux/fcntl.h>
_ADD_SEALS: Final = 1033
_GET_SEALS: Final = 1034


class BadTensors(FederationError):
    """A set of arrays that cannot cross, or a layout that does not fit its file."""


class ArrayLayout(msgspec.Struct, frozen=True, array_like=True):
    """Where one array lies in the file: its name, dtype, shape, and offset in bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int


class Layout(msgspec.Struct, frozen=True, array_like=True):
    """The table of a whole file: its size in bytes, and its arrays."""

    size: int
    arrays: tuple[ArrayLayout, ...]


@dataclass
class SharedFile:
    """A written file and its layout; close it once it has been sent to all who need it."""

    handle: int
    layout: Layout

    def close(self) -> None:
        """Close this side's descriptor; who has mapped the file keeps it. Safe to call twice."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


def layout_of(tensors: Tensors) -> Layout:
    """Return the layout that `pack` gives to these arrays.

    Raises:
        BadTensors: A name is no text or too long, or a dtype is not in `DTYPES`.
    """
    offset, arrays = 0, []
    for name, array in tensors.items():
        if not isinstance(name, str) or len(name) > MAX_NAME:
            raise BadTensors(
                f"array name {str(name)[:80]!r}: a text of at most {MAX_NAME} characters is wanted"
            )
        if array.dtype.name not in DTYPES:
            raise BadTensors(f"array {name!r} has dtype {array.dtype}; use one of {', '.join(DTYPES)}")
        offset = -(-offset // ALIGNMENT) * ALIGNMENT
        arrays.append(ArrayLayout(name, array.dtype.name, tuple(array.shape), offset))
        offset += array.nbytes
    return Layout(offset, tuple(arrays))


def pack(tensors: Tensors) -> SharedFile:
    """Copy arrays into a new anonymous file, sealed against any change where the system can do that.

    Raises:
        BadTensors: As `layout_of`.
        OSError: No memory or no descriptor is left.
    """
    layout = layout_of(tensors)
    handle = _anonymous_file()
    try:
        os.ftruncate(handle, layout.size)
        for entry, array in zip(layout.arrays, tensors.values(), strict=True):
            _write(handle, np.ascontiguousarray(array, dtype=DTYPES[entry.dtype]), entry.offset)
        if hasattr(os, "memfd_create"):
            fcntl.fcntl(handle, _ADD_SEALS, _SEALS)
    except BaseException:
        os.close(handle)
        raise
    return SharedFile(handle, layout)


def unpack(handle: int, layout: Layout, *, max_bytes: int | None = None) -> dict[str, Array]:
    """Return the arrays of a received file as read-only views; `handle` may be closed afterwards.

    A sealed file is mapped, copy-free. One that is not sealed could be shortened by its sender
    while we read (SIGBUS) or changed after we looked, so it is copied first.

    Raises:
        BadTensors: The layout is wrong in itself, exceeds `max_bytes`, or does not fit the file.
    """
    check(layout, max_bytes=max_bytes)
    size = os.fstat(handle).st_size
    if size != layout.size:
        raise BadTensors(f"the layout describes {layout.size} bytes, the shared file has {size}")
    if size == 0:
        return arrays_in(b"", layout)
    return arrays_in(map_read_only(handle, size) if _is_sealed(handle) else _read(handle, size), layout)


def arrays_in(buffer: memoryview | bytes, layout: Layout) -> dict[str, Array]:
    """Return read-only views of the arrays in `buffer`, whose layout has been checked."""
    arrays: dict[str, Array] = {}
    for entry in layout.arrays:
        count = math.prod(entry.shape)
        dtype = DTYPES[entry.dtype]
        flat = np.frombuffer(buffer, dtype, count, entry.offset) if count else np.empty(0, dtype)
        flat.flags.writeable = False
        try:
            arrays[entry.name] = flat.reshape(entry.shape)
        except ValueError as error:  # an empty array with extents beyond what NumPy can index
            raise BadTensors(f"array {entry.name[:80]!r}: shape {entry.shape} cannot be ({error})") from error
    return arrays


def check(layout: Layout, *, max_bytes: int | None = None) -> None:
    """Check a layout that came from elsewhere, before anything is made of it.

    Raises:
        BadTensors: A size, name, count, dtype, shape or offset that cannot be.
    """
    if layout.size < 0 or (max_bytes is not None and layout.size > max_bytes):
        raise BadTensors(f"a set of arrays of {layout.size} bytes; at most {max_bytes} are accepted")
    if len(layout.arrays) > MAX_ARRAYS:
        raise BadTensors(f"a set of {len(layout.arrays)} arrays; at most {MAX_ARRAYS} are accepted")
    end = 0
    names: set[str] = set()
    for entry in layout.arrays:
        where = f"array {entry.name[:80]!r}"
        if entry.name in names or len(entry.name) > MAX_NAME:
            raise BadTensors(f"{where}: a name that is double or longer than {MAX_NAME} characters")
        if entry.dtype not in DTYPES:
            raise BadTensors(f"{where}: dtype {entry.dtype[:40]!r} is not one of {', '.join(DTYPES)}")
        if len(entry.shape) > 32 or any(not 0 <= extent < 2**62 for extent in entry.shape):
            raise BadTensors(f"{where}: shape {entry.shape[:40]} cannot be")
        # Python's integers do not overflow, so the product is what it says. In ascending order and
        # without overlap, so that a small file cannot claim to hold many large arrays.
        length = math.prod(entry.shape) * DTYPES[entry.dtype].itemsize
        if entry.offset % ALIGNMENT or entry.offset < end or entry.offset + length > layout.size:
            raise BadTensors(
                f"{where}: offset {entry.offset} and {length} bytes do not fit into {layout.size}"
            )
        end = entry.offset + length
        names.add(entry.name)


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("tensors", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    handle, path = tempfile.mkstemp(prefix="tensors-")
    os.unlink(path)  # noqa: PTH108 - a descriptor and a name from the same call
    return handle


def _write(handle: int, array: Array, offset: int) -> None:
    view = memoryview(array.reshape(-1).view(np.uint8).data)
    while view:
        # write() fills fresh pages without a page fault for each, as storing into a mapping would.
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written


def _read(handle: int, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        part = os.pread(handle, min(size - len(content), 1 << 26), len(content))
        if not part:
            raise BadTensors(f"the shared file ended after {len(content)} of {size} bytes")
        content += part
    return bytes(content)


def _is_sealed(handle: int) -> bool:
    if not hasattr(os, "memfd_create"):
        return False
    try:
        return fcntl.fcntl(handle, _GET_SEALS) & _SEALS == _SEALS
    except OSError:  # EINVAL: an ordinary file, which has no seals
        return False
