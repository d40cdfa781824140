"""A healthy brain per case: the MNI152 maps, moved by an affine and a smooth deformation.

The maps (symmetric ICBM 2009a: T1, grey matter, white matter) come with the nilearn package.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partitions.errors import DataError
from partitions.phantom.fields import Field, smooth_field
from partitions.phantom.grid import Grid

Mask = NDArray[np.bool_]
Point = NDArray[np.float64]

_MAP_NAME = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
_BRAIN_T1 = 0.12
_DEEP_MM = 16.0
_LOWEST_MM = -12.0


@dataclass(frozen=True)
class Template:
    """The MNI152 maps on a grid somewhat finer than the phantom's.

    Attributes:
        maps: grey matter, white matter, T1, each in [0, 1], shape (3, z, y, x).
        grid: Where they lie.
        seats: Positions (n, 3) in mm, (z, y, x), deep in the cerebrum, where a glioma may sit.
    """

    maps: NDArray[np.float32]
    grid: Grid
    seats: Point


@dataclass(frozen=True)
class Warp:
    """How one case's brain differs from the template.

    Attributes:
        matrix: 3 x 3 affine about the brain's centre, from case to template, mm to mm, (z, y, x).
        shift: Translation in mm.
        bend: Smooth displacement in mm, shape (3, z, y, x).
    """

    matrix: Point
    shift: Point
    bend: NDArray[np.float32]


@dataclass(frozen=True)
class Brain:
    """A case's healthy anatomy; fractions of a voxel in [0, 1], all of shape (z, y, x).

    It lies on the box around the brain, which halves the work of everything that follows.

    Attributes:
        box: Where it lies in the case's grid.
        mask: The brain, without skull.
        grey: Grey matter.
        white: White matter.
        fluid: Cerebrospinal fluid, what is left of the brain.
        t1: The template's T1 intensity, for the detail that the tissue maps lack.
    """

    box: tuple[slice, slice, slice]
    mask: Mask
    grey: Field
    white: Field
    fluid: Field
    t1: Field


@functools.lru_cache(maxsize=2)
def load_template(grid: Grid) -> Template:
    """Read the MNI152 maps and bring them to about the resolution of `grid`.

    The result is immutable and kept, since every case of a worker needs it.

    Raises:
        DataError: The nilearn package, or its data, is not installed.
    """
    import SimpleITK as sitk

    shrink = max(1, int(0.7 * grid.spacing))
    maps = []
    for name in ("gm", "wm", "t1"):
        image = sitk.ReadImage(str(_map_file(name)))
        image = sitk.BinShrink(sitk.DICOMOrient(image, "LPS"), [shrink] * 3)
        maps.append(sitk.GetArrayFromImage(image).astype(np.float32) / np.float32(255.0))
    stacked = np.stack(maps)
    stacked.setflags(write=False)
    z, y, x = image.GetOrigin()[::-1]
    fine = Grid(stacked.shape[1:], float(shrink), (z, y, x))
    return Template(stacked, fine, _seats(stacked, fine))


def _map_file(name: str) -> Path:
    """Return the path of one of nilearn's maps, without the two seconds of importing nilearn."""
    package = find_spec("nilearn")
    for folder in (package.submodule_search_locations if package else None) or ():
        path = Path(folder) / "datasets" / "data" / _MAP_NAME.format(name)
        if path.is_file():
            return path
    raise DataError(
        f"The phantom's anatomy, {_MAP_NAME.format(name)}, is missing; it comes with the nilearn package:"
        " pip install nilearn"
    )


def _seats(maps: NDArray[np.float32], grid: Grid) -> Point:
    """Return the white-matter positions of the cerebrum that are far enough from the brain's surface."""
    from scipy import ndimage

    step = max(1, round(4.0 / grid.spacing))
    brain = ndimage.binary_fill_holes(maps[2] > _BRAIN_T1)
    depth = ndimage.distance_transform_edt(brain, sampling=grid.spacing)
    z, _, x = grid.axes()
    fit = (depth > _DEEP_MM) & (maps[1] > 0.5) & (z > _LOWEST_MM) & (np.abs(x) > 12.0)
    chosen = np.argwhere(fit[::step, ::step, ::step]) * step
    return np.asarray(chosen * grid.spacing + np.array(grid.origin), dtype=np.float64)


def draw_warp(rng: np.random.Generator, grid: Grid) -> Warp:
    """Draw a head: up to some degrees of rotation, percents of size, millimetres of bending."""
    scale = np.diag(rng.normal(1.0, 0.035, 3).clip(0.92, 1.08))
    shear = np.eye(3) + np.triu(rng.normal(0.0, 0.03, (3, 3)), 1)
    matrix = _rotation(np.deg2rad(rng.normal(0.0, 4.0, 3).clip(-9, 9))) @ shear @ scale
    if rng.random() < 0.5:
        matrix = matrix @ np.diag([1.0, 1.0, -1.0])
    bend = np.stack([smooth_field(rng, grid, 36.0) for _ in range(3)]) * np.float32(3.0)
    return Warp(matrix, rng.normal(0.0, 2.5, 3), bend)


def _rotation(angles: Point) -> Point:
    total = np.eye(3)
    for axis, angle in enumerate(angles):
        first, second = [(1, 2), (0, 2), (0, 1)][axis]
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        total = total @ turn
    return total


def to_case(warp: Warp, point: Point) -> Point:
    """Return where a template position (mm) lies in the case, the smooth bending left out."""
    return np.asarray(np.linalg.solve(warp.matrix, point - warp.shift), dtype=np.float64)


def _sample(volume: Field, coordinates: NDArray[np.float32]) -> Field:
    from scipy import ndimage

    sampled: Field = ndimage.map_coordinates(volume, coordinates, output=np.float32, order=1)
    return sampled


def build_brain(
    template: Template, grid: Grid, warp: Warp, push_centre: Point, push_radius_mm: float, push: float
) -> Brain:
    """Return the case's anatomy, with the tissue around a mass pushed outwards.

    A point at distance d from the mass shows the template at d (1 - push exp(-(d / radius)²)),
    which is monotone for push < 1, so nothing folds.

    Args:
        template: The MNI152 maps.
        grid: The case's grid.
        warp: Its affine and bending.
        push_centre: Centre of the mass in mm (z, y, x).
        push_radius_mm: Reach of the push.
        push: Its strength in [0, 1).
    """
    from scipy import ndimage

    offset = [axis - np.float32(centre) for axis, centre in zip(grid.axes(), push_centre, strict=True)]
    squared = offset[0] ** 2 + offset[1] ** 2 + offset[2] ** 2
    keep = np.float32(1.0) - np.float32(push) * np.exp(-squared / np.float32(push_radius_mm**2))
    place = [np.float32(centre) + part * keep for centre, part in zip(push_centre, offset, strict=True)]
    coordinates = np.empty((3, *grid.shape), dtype=np.float32)
    for axis in range(3):
        row = warp.matrix[axis].astype(np.float32)
        moved = row[0] * place[0] + row[1] * place[1] + row[2] * place[2]
        moved += np.float32(warp.shift[axis] - template.grid.origin[axis]) + warp.bend[axis]
        coordinates[axis] = moved / np.float32(template.grid.spacing)
    everywhere = _sample(template.maps[2], coordinates)
    box = ndimage.find_objects((everywhere > _BRAIN_T1).astype(np.uint8))[0]
    mask = ndimage.binary_fill_holes(everywhere[box] > _BRAIN_T1)
    t1, grey, white, fluid = (np.zeros(mask.shape, dtype=np.float32) for _ in range(4))
    t1[mask] = everywhere[box][mask]
    # A brain fills a quarter of the grid, so the other maps are sampled at its voxels alone.
    inside = np.stack([part[box][mask] for part in coordinates])
    grey[mask], white[mask] = (_sample(part, inside) for part in template.maps[:2])
    fluid[mask] = np.clip(1.0 - grey[mask] - white[mask], 0.0, 1.0)
    return Brain(box, mask, grey, white, fluid, t1)
