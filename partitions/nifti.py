"""What SimpleITK does not tell about a NIfTI file: whether it is whole, and whether it has NaN.

NIfTI's library, which SimpleITK reads with, fills what a cut or damaged stream lacks with zeros and
turns NaN and infinite voxels into zeros; it reports neither. So the bytes are looked at here.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from partitions.errors import DataError

_CHUNK = 1 << 20
_HEADER_1 = 348
_HEADER_2 = 540
_FLOATS = {16: "f4", 64: "f8"}


@dataclass(frozen=True)
class _Layout:
    """Where a file's voxels are: first byte, bytes in all, and the floating type if they have one."""

    offset: int
    size: int
    dtype: np.dtype[np.floating] | None


def count_not_finite(path: Path) -> int:
    """Read a NIfTI file to its end and count the voxels that are NaN or infinite.

    Args:
        path: NIfTI-1 or NIfTI-2, gzip-compressed if its name ends with ``.gz``.

    Raises:
        DataError: The file is missing or no NIfTI, its checksum is wrong, or it is shorter than its
            header says.
    """
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
            return _scan(path, stream)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: is damaged or cut short ({error}); copy the file again") from error
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); check that it exists and is yours"
        ) from error


def _scan(path: Path, stream: BufferedIOBase) -> int:
    layout = _layout(stream.read(_HEADER_2))
    if layout is None:
        raise DataError(f"{path}: cannot be read as NIfTI (no NIfTI header); copy the file again")
    stream.seek(layout.offset)
    left = layout.size
    wrong = 0
    while left > 0:
        chunk = stream.read(min(_CHUNK, left))
        if not chunk:
            raise DataError(
                f"{path}: is cut short, {left} of {layout.size} bytes are missing; copy the file again"
            )
        left -= len(chunk)
        if layout.dtype is not None:
            values = np.frombuffer(chunk, layout.dtype, len(chunk) // layout.dtype.itemsize)
            wrong += values.size - int(np.count_nonzero(np.isfinite(values)))
    while stream.read(_CHUNK):
        pass  # the checksum stands at the end of the stream
    return wrong


def _layout(head: bytes) -> _Layout | None:
    """Read the header's fields of either version and byte order; None if this is no NIfTI header."""
    if len(head) < _HEADER_1:
        return None
    for order in ("<", ">"):
        length = int(np.frombuffer(head, f"{order}i4", 1)[0])
        if length == _HEADER_1:
            dim = np.frombuffer(head, f"{order}i2", 8, 40)
            code, bits = np.frombuffer(head, f"{order}i2", 2, 70)
            offset = float(np.frombuffer(head, f"{order}f4", 1, 108)[0])
        elif length == _HEADER_2 and len(head) == _HEADER_2:
            dim = np.frombuffer(head, f"{order}i8", 8, 16)
            code, bits = np.frombuffer(head, f"{order}i2", 2, 12)
            offset = float(np.frombuffer(head, f"{order}i8", 1, 168)[0])
        else:
            continue
        sides = [int(side) for side in dim[1 : 1 + int(dim[0])]]
        if not 1 <= dim[0] <= 7 or min(sides) < 1 or not length <= offset < 1 << 40:
            return None
        voxels = 1
        for side in sides:
            voxels *= side
        name = _FLOATS.get(int(code))
        dtype = None if name is None else np.dtype(f"{order}{name}")
        return _Layout(int(offset), voxels * int(bits) // 8, dtype)
    return None
