"""Order statistics of distances to the nearest target, without computing most of the distances.

The distance to the nearest target changes by at most the way one goes. So one point's distance bounds
those of all points about it, and a point whose bounds lie clear of the wanted rank needs no distance
of its own. Blocks of points shrink until only the points around the rank are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Distances = npt.NDArray[np.float64]

_BLOCKS = (8, 4, 2)  # edge lengths, in voxels
_FEW = 200  # points for which bounds cost more than distances
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
        from scipy.spatial import cKDTree  # a quarter of a second that `challenge --help` need not pay

        return cKDTree(self.targets, leafsize=40, balanced_tree=False, compact_nodes=False)

    def distances(self, chosen: npt.NDArray[np.intp]) -> Distances:
        """Return the distances of some of the queries in mm."""
        found: Distances = self._tree.query(self.queries[chosen])[0]
        return found


def ordered(sides: Sequence[Side], ranks: tuple[int, int], voxel: float) -> tuple[float, float]:
    """Return two order statistics of the distances of all sides in one list.

    Args:
        sides: The queries and their targets.
        ranks: Places in the sorted list, from 0; the second equals the first or follows it.
        voxel: The smallest voxel edge in mm, by which the blocks are measured.

    Example:
        >>> side = Side(np.array([[0.0, 0, 1], [0, 0, 3], [0, 0, 7]]), np.zeros((1, 3)))
        >>> ordered([side], (1, 2), 1.0)
        (3.0, 7.0)
    """
    sizes = [len(side.queries) for side in sides]
    cuts = np.cumsum(sizes)[:-1]
    lower, upper = np.zeros(sum(sizes)), np.full(sum(sizes), np.inf)
    open_ = np.ones(sum(sizes), np.bool_)
    blocks = _BLOCKS if sum(sizes) > _FEW else ()
    for block in blocks:
        for side, low, high, wanted in zip(
            sides, np.split(lower, cuts), np.split(upper, cuts), np.split(open_, cuts), strict=True
        ):
            _bound(side, np.flatnonzero(wanted), block * voxel, low, high)
        least = np.partition(lower, ranks[0])[ranks[0]]
        most = np.partition(upper, ranks[1])[ranks[1]]
        slack = _SLACK * most
        open_ = (upper >= least - slack) & (lower <= most + slack)
        if np.count_nonzero(open_) > len(open_) // 2:
            break  # the distances differ by less than the blocks do: smaller ones would gain little
    # What is closed lies below or above both ranks; which of the two is all that matters.
    values = np.where(upper < least - slack, -np.inf, np.inf) if blocks else upper
    for side, value, wanted in zip(sides, np.split(values, cuts), np.split(open_, cuts), strict=True):
        chosen = np.flatnonzero(wanted)
        if len(chosen):
            value[chosen] = side.distances(chosen)
    values.partition(ranks)
    return float(values[ranks[0]]), float(values[ranks[1]])


def _bound(side: Side, chosen: npt.NDArray[np.intp], edge: float, lower: Distances, upper: Distances) -> None:
    """Tighten the bounds of the chosen queries in place, by one distance a block."""
    if not len(chosen):
        return
    points = side.queries[chosen]
    cells = np.floor(points / edge).astype(np.int64)
    cells -= cells.min(axis=0)
    spans = cells.max(axis=0) + 1
    numbers = (cells[:, 0] * spans[1] + cells[:, 1]) * spans[2] + cells[:, 2]
    _, first, block = np.unique(numbers, return_index=True, return_inverse=True)
    distances = side.distances(chosen[first])[block]
    away = np.sqrt(((points - points[first][block]) ** 2).sum(axis=1))
    lower[chosen] = np.maximum(lower[chosen], distances - away)
    upper[chosen] = np.minimum(upper[chosen], distances + away)
