"""Reads a case's images through SimpleITK and refuses what would be trained on wrongly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from partitions.case import MODALITIES, SEG, Case, Naming
from partitions.errors import DataError
from partitions.nifti import count_not_finite

Labels = npt.NDArray[np.uint8]
Image = npt.NDArray[np.float32]

LABELS = (0, 1, 2, 4)
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Geometry:
    """Where an image lies in space.

    Attributes:
        shape: Voxels in (z, y, x).
        spacing: Voxel size in mm, in (z, y, x).
        origin: SimpleITK's origin in mm, in its own (x, y, z), kept for writing masks on the same grid.
        direction: SimpleITK's nine direction cosines, untouched.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, ...]
    direction: tuple[float, ...]


@dataclass(frozen=True)
class Volume:
    """One image as it is in its file.

    Attributes:
        array: (z, y, x), of the file's own type.
        geometry: Where it lies.
        not_finite: How many voxels are NaN or infinite in the file; in `array` they are zeros, because
            the library that reads NIfTI makes them so.
    """

    array: npt.NDArray[Any]
    geometry: Geometry
    not_finite: int


@dataclass(frozen=True)
class CaseVolumes:
    """A case in memory.

    Attributes:
        images: float32 (z, y, x) by modality, in the order ``t1, t1ce, t2, flair``.
        labels: uint8 (z, y, x) with 0, 1, 2, 4; None where the case has none.
        spacing: Voxel size in mm, in (z, y, x).
        origin: SimpleITK's origin in mm, in its own (x, y, z), kept for writing masks on the same grid.
        direction: SimpleITK's nine direction cosines, untouched.
    """

    images: dict[str, Image]
    labels: Labels | None
    spacing: tuple[float, float, float]
    origin: tuple[float, ...]
    direction: tuple[float, ...]


def read_case(case: Case) -> CaseVolumes:
    """Read the four modalities and, if the case has them, the labels.

    Raises:
        DataError: A file is corrupt, has values that are not finite or lies on another grid than t1, or
            the labels are not those of BraTS/FeTS; the message names the file.
    """
    images: dict[str, Image] = {}
    first: Geometry | None = None
    for name in MODALITIES:
        path = case.files[name]
        volume = read_volume(path)
        first = first or volume.geometry
        _require_same_grid(case, name, first, volume.geometry)
        images[name] = _finite_image(path, volume)
    assert first is not None
    labels = None
    if SEG in case.files:
        labels, geometry = read_labels(case)
        _require_same_grid(case, SEG, first, geometry)
    return CaseVolumes(images, labels, first.spacing, first.origin, first.direction)


def read_labels(case: Case) -> tuple[Labels, Geometry]:
    """Read only the labels of a case, mapped to 0, 1, 2, 4.

    Raises:
        DataError: The case has no labels, the file is corrupt or its labels are not known.
    """
    if SEG not in case.files:
        raise DataError(f"{case.folder}: case {case.id!r} has no labels; add {case.id}_seg.nii.gz")
    path = case.files[SEG]
    volume = read_volume(path)
    if volume.not_finite:
        raise DataError(f"{path}: {volume.not_finite} labels are NaN or infinite; relabel the file")
    return map_labels(volume.array, case.naming, path), volume.geometry


def read_volume(path: Path) -> Volume:
    """Read one image file to its end.

    Raises:
        DataError: The file is missing, damaged, or no three-dimensional scalar image.
    """
    import SimpleITK

    not_finite = count_not_finite(path)
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].removeprefix("sitk::ERROR: ")
        raise DataError(f"{path}: cannot be read as NIfTI ({reason}); copy the file again") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise DataError(f"{path}: is not a three-dimensional image with one value for each voxel")
    width, height, depth = image.GetSize()
    dx, dy, dz = image.GetSpacing()
    geometry = Geometry(
        shape=(depth, height, width),
        spacing=(dz, dy, dx),
        origin=tuple(image.GetOrigin()),
        direction=tuple(image.GetDirection()),
    )
    return Volume(SimpleITK.GetArrayFromImage(image), geometry, not_finite)


def geometry_differences(one: Geometry, other: Geometry, tolerance: float = TOLERANCE) -> list[str]:
    """Name what differs between two grids by more than the tolerance (mm; cosines for the direction).

    Example:
        >>> grid = Geometry((2, 2, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0,) * 9)
        >>> geometry_differences(grid, Geometry((2, 2, 3), (1.0, 1.0, 1.1), (0.0, 0.0, 0.0), (1.0,) * 9))
        ['size', 'spacing']
    """
    differences = ["size"] if one.shape != other.shape else []
    for name in ("spacing", "origin", "direction"):
        if not np.allclose(getattr(one, name), getattr(other, name), rtol=0, atol=tolerance):
            differences.append(name)
    return differences


def map_labels(array: npt.NDArray[Any], naming: Naming, path: Path) -> Labels:
    """Return labels as uint8 with 0, 1, 2, 4.

    Args:
        array: Labels as read, of any type.
        naming: ``brats2023`` maps 3 (enhancing tumour) to 4.
        path: Named in errors.

    Raises:
        DataError: A label is not one of the convention's.
    """
    fault = label_fault(label_values(array), naming)
    if fault is not None:
        raise DataError(f"{path}: {fault}")
    labels = array.astype(np.uint8)
    if naming == "brats2023":
        labels[labels == 3] = 4
    return labels


def label_values(array: npt.NDArray[Any]) -> tuple[float, ...]:
    """Return the distinct labels of a volume, sorted, NaN last."""
    # Most voxels are background: sorting only the rest is ten times as fast.
    inside = np.unique(array[array != 0])
    background = (0.0,) if bool((array == 0).any()) else ()
    return tuple(sorted((*background, *(float(value) for value in inside)), key=lambda v: (np.isnan(v), v)))


def label_fault(values: tuple[float, ...], naming: Naming) -> str | None:
    """Say in one line why these labels cannot be used; None if they can.

    The post-treatment labels of 2024 (3 enhancing tumour, 4 resection cavity) have the file names of
    2023, where 4 does not occur: a 4 there would become enhancing tumour, so it is refused.
    """
    allowed = LABELS if naming == "fets" else (0, 1, 2, 3)
    wrong = [value for value in values if value not in allowed]
    if not wrong:
        return None
    listed = ", ".join(f"{value:g}" for value in wrong[:5]) + (" ..." if len(wrong) > 5 else "")
    known = ", ".join(str(label) for label in allowed)
    if naming == "brats2023" and wrong == [4]:
        return (
            "label 4 beside 2023 names: 2024 post-treatment labels (4 = resection cavity) have no mapping; "
            "relabel to 0, 1, 2, 3"
        )
    if naming == "fets" and wrong == [3]:
        hint = "is 2024 post-treatment" if 4 in values else "is the enhancing tumour of 2023, which is 4 here"
        return f"label 3 {hint}; relabel to {known}"
    return f"has labels {listed}; only {known} are known, relabel the file"


def _finite_image(path: Path, volume: Volume) -> Image:
    # A float64 beyond the range of float32 becomes infinite only here.
    with np.errstate(over="ignore"):
        image = volume.array.astype(np.float32)
    if volume.not_finite or not np.isfinite(image).all():
        raise DataError(f"{path}: has NaN or infinite values; export the image again")
    return image


def _require_same_grid(case: Case, name: str, first: Geometry, other: Geometry) -> None:
    differences = geometry_differences(first, other)
    if differences:
        raise DataError(
            f"{case.files[name]}: {' and '.join(differences)} differ from {case.files[MODALITIES[0]].name}; "
            "register or resample it to the same grid"
        )
