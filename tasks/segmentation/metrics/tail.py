"""Order statistics of distances to the nearest target, without computing most of the distances.

The squared distance d(p)^2 to the nearest of some points is |p|^2 minus a convex function of p, the maximum
over the targets t of 2 p.t - |t|^2. So between the corners of a cell it lies at least as high as
their interpolation less a known term, sum over the axes of f (1 - f) edge^2 with f the place within
the cell; and at most as high as the distance to a corner's own nearest target. Far from the targets
these two nearly meet. A point whose bounds lie clear of the wanted rank needs no distance of its own;
cells shrink until only the points around the rank are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Distances = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

_EDGES = (16, 8, 4)  # of the cells, in voxels
_FEW = 200  # points for which bounds cost more than distances
_SPARSE = 64  # targets for each query from which on a sample of them is asked first
_MOST_CELLS = 1000  # along an axis, where spacings differ by orders of magnitude
_SLAB = 1 << 16  # queries bounded at once; they come plane by plane, so few cells are met twice
_CHUNK = 1 << 14
_CORNERS = np.array(list(product((0, 1), repeat=3)))
_SLACK = 1e-9  # relative; far above the rounding of a bound, far below any spacing


@dataclass(frozen=True)
class Side:
    """Points of one surface whose distances to another are wanted.

    Attributes:
        queries: Positions in mm, (n, 3).
        targets: Positions of the other surface in mm, (m, 3), m > 0.
    """

    queries: Points
    targets: Points

    @cached_property
    def _tree(self) -> Any:
        return _tree(self.targets)

    def nearest(self, points: Points) -> tuple[Distances, Points]:
        """Return the distances of any points in mm, and which targets they are to."""
        distances, chosen = self._tree.query(points)
        return distances, self.targets[chosen]

    def at_most(self) -> Distances:
        """Return bounds of the queries' distances from above, to a sample of the targets."""
        found: Distances = _tree(self.targets[::_SPARSE]).query(self.queries)[0]
        return found


def ordered(sides: Sequence[Side], ranks: tuple[int, int], voxel: float) -> tuple[float, float]:
    """Return two order statistics of the distances of all sides in one list.

    Args:
        sides: The queries and their targets.
        ranks: Places in the sorted list, from 0; the second equals the first or follows it.
        voxel: The smallest voxel edge in mm, by which the cells are measured.

    Example:
        >>> side = Side(np.array([[0.0, 0, 1], [0, 0, 3], [0, 0, 7]]), np.zeros((1, 3)))
        >>> ordered([side], (1, 2), 1.0)
        (3.0, 7.0)
    """
    sizes = [len(side.queries) for side in sides]
    bounds = _Bounds(np.zeros(sum(sizes)), np.full(sum(sizes), np.inf))
    parts = [slice(stop - size, stop) for stop, size in zip(np.cumsum(sizes).tolist(), sizes, strict=True)]
    open_ = np.arange(sum(sizes))
    sparse = [len(side.targets) > _SPARSE * len(side.queries) for side in sides]
    for side, part, is_sparse in zip(sides, parts, sparse, strict=True):
        if is_sparse:
            bounds.upper[part] = side.at_most()
    for edge in _EDGES:
        if len(open_) <= _FEW:
            break
        for side, part, is_sparse in zip(sides, parts, sparse, strict=True):
            chosen = open_[(open_ >= part.start) & (open_ < part.stop)]
            for slab in range(0, len(chosen) if not is_sparse else 0, _SLAB):
                bounds.tighten(side, chosen[slab : slab + _SLAB], part.start, edge * voxel)
        open_ = bounds.around(ranks)
    # What is closed lies below or above both ranks; which of the two is all that matters.
    values = np.where(bounds.below(ranks), -np.inf, np.inf)
    for side, part in zip(sides, parts, strict=True):
        chosen = open_[(open_ >= part.start) & (open_ < part.stop)]
        if len(chosen):
            values[chosen] = side.nearest(side.queries[chosen - part.start])[0]
    values.partition(ranks)
    return float(values[ranks[0]]), float(values[ranks[1]])


@dataclass(frozen=True)
class _Bounds:
    """Bounds of all distances in mm, tightened in place."""

    lower: Distances
    upper: Distances

    def around(self, ranks: tuple[int, int]) -> Indices:
        """Return which distances may stand at the ranks or between."""
        most = np.partition(self.upper, ranks[1])[ranks[1]]
        return np.flatnonzero(~self.below(ranks) & (self.lower <= most * (1 + _SLACK)))

    def below(self, ranks: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Return which distances surely stand before the first rank."""
        least = np.partition(self.lower, ranks[0])[ranks[0]]
        surely: npt.NDArray[np.bool_] = self.upper < least * (1 - _SLACK)
        return surely

    def tighten(self, side: Side, chosen: Indices, start: int, edge: float) -> None:
        """Bound the chosen distances by those of the corners of cells of this edge, in mm."""
        points = side.queries[chosen - start]
        origin = points.min(axis=0)
        edge = max(edge, float((points.max(axis=0) - origin).max()) / _MOST_CELLS)
        scaled = points - origin
        scaled /= edge
        corners, of_cell, cell_of = _corners(scaled.astype(np.int32))
        distances, targets = side.nearest(origin + corners * edge)
        for first in range(0, len(points), _CHUNK):  # what a chunk needs stays in the processor's cache
            part = slice(first, first + _CHUNK)
            own = of_cell[cell_of[part]]
            lower, upper = _between(
                points[part], (points[part] - origin) / edge, edge, own, distances, targets
            )
            self.lower[chosen[part]] = np.maximum(self.lower[chosen[part]], lower)
            self.upper[chosen[part]] = np.minimum(self.upper[chosen[part]], upper)


def _between(
    points: Points, scaled: Points, edge: float, corners: Indices, distances: Distances, targets: Points
) -> tuple[Distances, Distances]:
    """Return bounds of distances in mm, from below and from above.

    Args:
        points: Whose distances, (n, 3) in mm.
        scaled: The points in edges of the cells.
        edge: Of the cells, in mm.
        corners: Which corners each point's cell has, (n, 8).
        distances: Of the corners, in mm.
        targets: What is nearest to the corners, (k, 3) in mm.
    """
    within = (scaled - np.floor(scaled)).T
    beyond = 1 - within
    squares = distances * distances
    blend = np.zeros(len(points))
    for number, (z, y, x) in enumerate(_CORNERS):
        weight = (within if z else beyond)[0] * (within if y else beyond)[1]
        weight *= (within if x else beyond)[2]
        weight *= squares[corners[:, number]]
        blend += weight
    bulge = edge * edge * (within * beyond).sum(axis=0)
    lower = np.sqrt(np.maximum(blend - bulge - _SLACK * (blend + bulge), 0))
    closest = (within > 0.5).astype(np.intp)
    chosen = corners[np.arange(len(points)), closest[0] * 4 + closest[1] * 2 + closest[2]]
    steps = points - targets[chosen]
    return lower, np.sqrt(np.einsum("ij,ij->i", steps, steps))


def _corners(cells: npt.NDArray[np.int32]) -> tuple[Points, Indices, Indices]:
    """Return the corners of cells, (k, 3), those of each distinct cell, (m, 8), every cell's number."""
    spans = cells.max(axis=0).astype(np.int64) + 2
    strides = np.array([spans[1] * spans[2], spans[2], 1])
    flat = cells[:, 0] * strides[0] + cells[:, 1] * strides[1] + cells[:, 2]
    occupied, cell_of = np.unique(flat, return_inverse=True)
    numbers, of_cell = np.unique(occupied[:, np.newaxis] + _CORNERS @ strides, return_inverse=True)
    corners = np.stack(np.unravel_index(numbers, tuple(spans.tolist())), axis=1).astype(np.float64)
    return corners, of_cell.reshape(-1, len(_CORNERS)), cell_of


def _tree(points: Points) -> Any:
    from scipy.spatial import cKDTree  # a quarter of a second that `challenge --help` need not pay

    return cKDTree(points, leafsize=40, balanced_tree=False, compact_nodes=False)
