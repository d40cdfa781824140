"""Reads a mask from a file that anyone may have written: once, within bounds, to its very end.

SimpleITK tells where an image lies but fills what a damaged stream lacks with zeros; a mask cut short
would pass as one with less tumour. The usual forms of NIfTI-1 are therefore read here, checksum
included, in the time that SimpleITK alone takes; what is unusual goes through `partitions.reader`.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from partitions.case import Naming
from partitions.errors import DataError
from partitions.reader import Geometry, label_fault, label_values, read_volume

Labels = npt.NDArray[np.uint8]

MOST_FILE_BYTES: Final = 1 << 30
MOST_VOXELS: Final = 1 << 28  # thirty times the BraTS grid; a header is quick to promise more
_TRAILING: Final = 1 << 20  # bytes after the voxels that are read, to reach the checksum

_HEADER: Final = 348
_TYPES: Final = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip


class UnreadableMask(DataError):
    """A file that is no mask, is damaged, or is too large."""


class WrongLabels(DataError):
    """A mask with labels that are not the convention's."""


@dataclass(frozen=True)
class _Layout:
    """Where a plain NIfTI-1 file's voxels are."""

    offset: int
    dtype: np.dtype[Any]


def read_grid(path: Path) -> Geometry:
    """Return where a mask lies, from its header alone.

    Raises:
        UnreadableMask: The file is missing, no three-dimensional image with one value a voxel, or has
            more than `MOST_VOXELS`.
    """
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("NiftiImageIO")  # of its many readers only this one may see the file
    reader.SetFileName(str(path))
    try:
        if not path.is_file():
            raise UnreadableMask(f"{path}: is no file; expected a NIfTI mask")
        size = path.stat().st_size
        reader.ReadImageInformation()
    except OSError as error:
        raise UnreadableMask(f"{path}: cannot be read ({error.strerror}); check its rights") from error
    except RuntimeError as error:
        raise UnreadableMask(f"{path}: cannot be read as NIfTI; write the mask again") from error
    if size > MOST_FILE_BYTES:
        raise UnreadableMask(f"{path}: has {size} bytes, at most {MOST_FILE_BYTES} are read")
    if reader.GetDimension() != 3 or reader.GetNumberOfComponents() != 1:
        raise UnreadableMask(f"{path}: is not a three-dimensional image with one value for each voxel")
    width, height, depth = reader.GetSize()
    if not 0 < width * height * depth <= MOST_VOXELS:
        raise UnreadableMask(
            f"{path}: has {width} x {height} x {depth} voxels, at most {MOST_VOXELS} are read"
        )
    dx, dy, dz = reader.GetSpacing()
    return Geometry(
        (depth, height, width), (dz, dy, dx), tuple(reader.GetOrigin()), tuple(reader.GetDirection())
    )


def read_labels(path: Path, grid: Geometry, naming: Naming, *, either: bool = False) -> Labels:
    """Read a mask's labels, mapped to 0, 1, 2, 4.

    Args:
        path: A file of which `read_grid` gave `grid`.
        grid: Where the mask lies.
        naming: ``brats2023`` calls the enhancing tumour 3.
        either: With ``brats2023``, whether 4 in place of 3 is right too, as predictions of models that were
            trained on 0, 1, 2, 4 have it.

    Raises:
        UnreadableMask: The file is damaged or cut short.
        WrongLabels: It holds other labels.
    """
    array = _voxels(path, grid)
    labels = array if array.dtype == np.uint8 else _as_bytes(array, naming, path)
    if naming == "brats2023":
        highest = int(labels.max())
        if highest == 4 and either and not (labels == 3).any():
            return labels
        if highest == 3:
            labels = labels.copy()  # what was read from a file cannot be written to
            labels[labels == 3] = 4
        elif highest > 3:
            _refuse(labels, naming, path)
    return labels


def _voxels(path: Path, grid: Geometry) -> npt.NDArray[Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableMask(f"{path}: cannot be read ({error.strerror}); check its rights") from error
    packed = path.name.endswith(".gz")
    try:
        layout = _layout(zlib.decompressobj(31).decompress(content, _HEADER) if packed else content, grid)
        if layout is None:
            return _unusual(path, grid)
        wanted = layout.offset + int(np.prod(grid.shape)) * layout.dtype.itemsize
        if packed:
            content = _unpacked(path, content, wanted)
    except zlib.error as error:
        raise UnreadableMask(f"{path}: is damaged ({error}); copy the file again") from error
    if len(content) < wanted:
        raise UnreadableMask(
            f"{path}: is cut short, {wanted - len(content)} of {wanted} bytes are missing; copy it again"
        )
    voxels = np.frombuffer(content, layout.dtype, int(np.prod(grid.shape)), layout.offset)
    return voxels.reshape(grid.shape)


def _unpacked(path: Path, content: bytes, wanted: int) -> bytes:
    """Return the unpacked stream, whose checksum is right."""
    from zlib_ng import zlib_ng

    stream = zlib_ng.decompressobj(31)
    try:
        unpacked: bytes = stream.decompress(content, wanted + _TRAILING)
    except zlib_ng.error as error:  # type: ignore[misc]  # a class, whatever its stub says
        raise UnreadableMask(f"{path}: is damaged ({error}); copy the file again") from error
    if stream.unconsumed_tail:
        raise UnreadableMask(f"{path}: goes on after its voxels; write the mask again")
    if not stream.eof:
        raise UnreadableMask(f"{path}: is cut short; copy the file again")
    return unpacked


def _unusual(path: Path, grid: Geometry) -> npt.NDArray[Any]:
    try:
        volume = read_volume(path)
    except DataError as error:
        raise UnreadableMask(str(error)) from error
    if volume.geometry.shape != grid.shape:
        raise UnreadableMask(f"{path}: changed while it was read; run again when it is complete")
    if volume.not_finite:
        raise WrongLabels(f"{path}: {volume.not_finite} labels are NaN or infinite; relabel the file")
    return volume.array


def _layout(head: bytes, grid: Geometry) -> _Layout | None:
    """Return where the voxels are; None for a form that is better left to the general reader."""
    if len(head) < _HEADER:
        return None
    order = "<" if head[:4] == _HEADER.to_bytes(4, "little") else ">"
    (length,) = struct.unpack_from(f"{order}i", head)
    dim = struct.unpack_from(f"{order}8h", head, 40)
    code, bits = struct.unpack_from(f"{order}2h", head, 70)
    offset, slope, intercept = struct.unpack_from(f"{order}3f", head, 108)
    name = _TYPES.get(code)
    if (
        length != _HEADER
        or head[344:348] != b"n+1\0"
        or dim[0] < 3
        or tuple(dim[3:0:-1]) != grid.shape
        or name is None
        or bits != 8 * np.dtype(name).itemsize
        or not (_HEADER <= offset < _TRAILING and offset == int(offset))
        or not (slope == 0 or (slope == 1 and intercept == 0))
    ):
        return None
    return _Layout(int(offset), np.dtype(order + name))


def _as_bytes(array: npt.NDArray[Any], naming: Naming, path: Path) -> Labels:
    """Return whole numbers as bytes; a cast alone would make 257 and 1.5 tumour."""
    with np.errstate(invalid="ignore"):
        labels: Labels = array.astype(np.uint8)
    if not np.array_equal(labels, array):
        _refuse(array, naming, path)
    return labels


def _refuse(array: npt.NDArray[Any], naming: Naming, path: Path) -> None:
    fault = label_fault(label_values(array), naming)
    raise WrongLabels(f"{path}: {fault or 'has labels that are not known; relabel the file'}")
