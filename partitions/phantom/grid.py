"""The voxel grid of a phantom: one box around the MNI152 brain, at any spacing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partitions.errors import DataError

_EXTENT_MM = (192.0, 240.0, 192.0)
_CENTRE_MM = (6.0, 16.0, 0.0)
_SPACING_LIMITS_MM = (1.0, 12.0)


@dataclass(frozen=True)
class Grid:
    """An axis-aligned grid in patient space (LPS), array order (z, y, x).

    Attributes:
        shape: Voxels along z, y, x.
        spacing: Edge of the cubic voxel in mm.
        origin: Position of the first voxel's centre in mm (LPS), in the order (z, y, x).
    """

    shape: tuple[int, int, int]
    spacing: float
    origin: tuple[float, float, float]

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in millilitres."""
        return self.spacing**3 / 1000.0

    def part(self, box: tuple[slice, slice, slice]) -> Grid:
        """Return the grid of a box of voxels; the slices have a start and a stop."""
        z, y, x = (start + cut.start * self.spacing for start, cut in zip(self.origin, box, strict=True))
        depth, height, width = (cut.stop - cut.start for cut in box)
        return Grid((depth, height, width), self.spacing, (z, y, x))

    def axes(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return the positions in mm along z, y and x, shaped to broadcast over the grid."""
        z, y, x = (
            np.float32(start) + np.arange(count, dtype=np.float32) * np.float32(self.spacing)
            for start, count in zip(self.origin, self.shape, strict=True)
        )
        return z[:, None, None], y[None, :, None], x[None, None, :]


def grid_at(spacing_mm: float) -> Grid:
    """Return the grid that holds every phantom brain at `spacing_mm`.

    Raises:
        DataError: The spacing is finer than the MNI152 maps or too coarse to hold a lesion.

    Example:
        >>> grid_at(3.0).shape
        (64, 80, 64)
    """
    low, high = _SPACING_LIMITS_MM
    if not low <= spacing_mm <= high:
        raise DataError(f"The phantom's spacing must lie between {low} and {high} mm, not {spacing_mm}.")
    depth, height, width = (round(extent / spacing_mm) for extent in _EXTENT_MM)
    z, y, x = (
        centre - (count - 1) * spacing_mm / 2
        for centre, count in zip(_CENTRE_MM, (depth, height, width), strict=True)
    )
    return Grid((depth, height, width), float(spacing_mm), (z, y, x))
