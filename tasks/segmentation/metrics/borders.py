"""The surface voxels of several masks at once, and the offsets to a voxel's nearest neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Spacing = tuple[float, float, float]
Codes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.intp]
Points = npt.NDArray[np.float64]
Steps = tuple[int, int, int]

_NEAR = 130  # looking farther costs more than asking a k-d tree
_REACH = 8  # voxels along an axis; bounds the padding where spacings differ much


@dataclass(frozen=True)
class Borders:
    """Surface voxels: those of a mask that its erosion with the 6-neighbour cross removes.

    Attributes:
        volume: uint8, the padded volume, flat; bit b says that the voxel is on mask b's surface.
        places: Where `volume` is not zero, ascending.
        bits: `volume` at `places`.
        shape: The padded shape (z, y, x).
        shells: Offsets into `volume` to the nearest voxels by their length in mm, ascending; no
            offset from a voxel of a mask leaves the volume, and none that is missing is shorter.
        spacing: Voxel size in mm, (z, y, x).
    """

    volume: Codes
    places: Indices
    bits: Codes
    shape: tuple[int, int, int]
    shells: Sequence[tuple[float, Indices]]
    spacing: Spacing

    def on(self, mask: int) -> npt.NDArray[np.bool_]:
        """Return which of `places` are on a mask's surface."""
        surface: npt.NDArray[np.bool_] = (self.bits & (1 << mask)) != 0
        return surface

    def points(self, places: Indices) -> Points:
        """Return positions in mm, (n, 3)."""
        found = np.empty((len(places), 3))
        rows, x = np.divmod(places, self.shape[2])
        np.multiply(x, self.spacing[2], out=found[:, 2])
        z, y = np.divmod(rows, self.shape[1])
        np.multiply(z, self.spacing[0], out=found[:, 0])
        np.multiply(y, self.spacing[1], out=found[:, 1])
        return found


def borders(codes: Codes, spacing: Spacing) -> Borders:
    """Find the surfaces of all masks in a volume.

    Args:
        codes: uint8 (z, y, x); bit b of a voxel says that it belongs to mask b. What is outside the
            array counts as background.
        spacing: Voxel size in mm, (z, y, x).
    """
    rim, near = _near_offsets(spacing)
    depth, height, width = (size + 2 * margin for size, margin in zip(codes.shape, rim, strict=True))
    row, plane = width, width * height
    volume = np.zeros(-(-depth * plane // 8) * 8, np.uint8)  # whole words, for `nonzero_places`
    inside = tuple(slice(margin, margin + size) for margin, size in zip(rim, codes.shape, strict=True))
    volume[: depth * plane].reshape(depth, height, width)[inside] = codes
    # Flat shifts reach every neighbour, because the rim takes what runs over the end of a row.
    inner = slice(plane, len(volume) - plane)
    eroded = volume[inner].copy()
    for stride in (1, row, plane):
        eroded &= volume[plane - stride : len(volume) - plane - stride]
        eroded &= volume[plane + stride : len(volume) - plane + stride]
    volume[inner] ^= eroded
    places = nonzero_places(volume)
    shells: dict[float, list[int]] = {}
    for length, (z, y, x) in near:
        shells.setdefault(length, []).append(z * plane + y * row + x)
    by_length = [(length, np.array(offsets, np.intp)) for length, offsets in shells.items()]
    return Borders(volume, places, volume[places], (depth, height, width), by_length, spacing)


def nonzero_places(flat: Codes) -> Indices:
    """Return where `flat`, of a length divisible by eight, is not zero; fast where little is."""
    words = flat.view(np.uint64)
    occupied = np.flatnonzero(words)
    word, byte = np.nonzero(words[occupied].view(np.uint8).reshape(-1, 8))
    places: Indices = occupied[word] * 8 + byte
    return places


@lru_cache(maxsize=8)  # a millisecond, a quarter of a case, for what all cases of a grid share
def _near_offsets(spacing: Spacing) -> tuple[Steps, Sequence[tuple[float, Steps]]]:
    """Return the offsets to the nearest voxels with their lengths in mm, ascending and complete.

    Before them stands so wide a rim of background that none leaves the volume or wraps into the next row.
    """
    radius = (_NEAR * math.prod(spacing) * 3 / (4 * math.pi)) ** (1 / 3)  # of a ball of so many voxels
    radius = min(radius, *((_REACH + 0.5) * step for step in spacing))
    reach = [int(radius / step) for step in spacing]
    found = [
        (math.hypot(z * spacing[0], y * spacing[1], x * spacing[2]), (z, y, x))
        for z in range(-reach[0], reach[0] + 1)
        for y in range(-reach[1], reach[1] + 1)
        for x in range(-reach[2], reach[2] + 1)
        if (z, y, x) != (0, 0, 0)
    ]
    near = sorted(entry for entry in found if entry[0] <= radius)
    if len(near) > _NEAR:
        shortest_left_out = near[_NEAR][0]
        near = [entry for entry in near if entry[0] < shortest_left_out]
    z, y, x = (max(1, *(abs(offset[axis]) for _, offset in near)) for axis in range(3))
    return (z, y, x), near
