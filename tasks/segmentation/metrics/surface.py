"""Distances between the surfaces of masks: the 95th percentile of Hausdorff (HD95).

A surface is a mask without its erosion by the 6-neighbour cross; outside the array is background.
Most surface voxels of a fair prediction lie within a few voxels of the other surface: these are
found by looking at offsets in order of their length. The rest is left to `tail`, and only where the
percentile lies among it.

Paper: Huttenlocher, Klanderman, Rucklidge, "Comparing images using the Hausdorff distance", 1993.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from tasks.segmentation.metrics.borders import Borders, Codes, Indices, Spacing, borders
from tasks.segmentation.metrics.counts import labelled_box
from tasks.segmentation.metrics.errors import GeometryError, MetricError
from tasks.segmentation.metrics.tail import Side, ordered

Definition = Literal["pooled", "maxdir"]
"""``pooled``: both directions in one list (medpy, FeTS); ``maxdir``: the larger percentile (MONAI)."""

_QUANTILE = 0.95
_HOPE = 3  # by so much the far shells may hold more than the near ones let expect


def diagonal(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """Return the diagonal of a volume in mm, sqrt(sum((n_i s_i)^2)).

    Raises:
        GeometryError: `spacing` is not three positive finite numbers, or `shape` not three sizes.

    Example:
        >>> round(diagonal((155, 240, 240), (1, 1, 1)), 6)
        373.128664
    """
    steps = checked_spacing(spacing)
    if len(shape) != 3:
        raise GeometryError(f"shape {tuple(shape)} must be three sizes (z, y, x)")
    return math.sqrt(sum((size * step) ** 2 for size, step in zip(shape, steps, strict=True)))


def checked_spacing(spacing: Sequence[float]) -> Spacing:
    """Return `spacing` as three floats in mm, (z, y, x).

    Raises:
        GeometryError: They are not three positive finite numbers.
    """
    values = tuple(float(step) for step in spacing)
    if len(values) != 3 or not all(math.isfinite(step) and step > 0 for step in values):
        raise GeometryError(f"spacing {values} must be three positive lengths in mm (z, y, x)")
    return values


def hausdorff_95(
    reference: npt.NDArray[np.bool_],
    prediction: npt.NDArray[np.bool_],
    spacing: Sequence[float],
    *,
    definition: Definition = "pooled",
) -> float:
    """Return the HD95 of two masks in mm; 0 if both are empty, the diagonal if one is.

    Args:
        reference: Boolean mask of shape (z, y, x).
        prediction: The other mask, on the same grid.
        spacing: Voxel size in mm, (z, y, x).
        definition: Which percentile; see `Definition`.

    Raises:
        GeometryError: Shapes differ, or the spacing is none.
        MetricError: The definition is unknown or the arrays are not boolean.

    Example:
        >>> reference, prediction = np.zeros((2, 6, 6, 6), np.bool_)
        >>> reference[0, 0, 0] = prediction[3, 4, 0] = True
        >>> hausdorff_95(reference, prediction, (1, 1, 1))
        5.0
    """
    if reference.shape != prediction.shape or reference.ndim != 3:
        raise GeometryError(f"masks {reference.shape} and {prediction.shape} must be volumes of one shape")
    if reference.dtype != np.bool_ or prediction.dtype != np.bool_:
        raise MetricError(f"masks of dtype {reference.dtype} and {prediction.dtype} must be boolean")
    first, second = (np.ascontiguousarray(mask).view(np.uint8) for mask in (reference, prediction))
    box = labelled_box(first, second) if first.size else ...
    codes = first[box] | second[box] << np.uint8(1)
    empty = diagonal(reference.shape, spacing)
    return hausdorff_95_of_codes(codes, ((0, 1),), spacing, empty, definition=definition)[0]


def hausdorff_95_of_codes(
    codes: Codes,
    pairs: Sequence[tuple[int, int]],
    spacing: Sequence[float],
    empty: float,
    *,
    definition: Definition = "pooled",
) -> list[float]:
    """Return the HD95 in mm of several pairs of masks that share the bits of one volume.

    Args:
        codes: uint8 (z, y, x); bit b of a voxel says that it belongs to mask b. A box that holds
            all masks is enough: what is outside the array counts as background.
        pairs: The bits of reference and prediction of each pair.
        spacing: Voxel size in mm, (z, y, x).
        empty: The value of a pair of which exactly one mask is empty.
        definition: Which percentile; see `Definition`.

    Raises:
        GeometryError: The spacing is not three positive lengths.
        MetricError: The definition is unknown.
    """
    if definition not in get_args(Definition):
        known = " or ".join(get_args(Definition))
        raise MetricError(f"HD95 definition {definition!r} is unknown; use {known}")
    found = borders(codes, checked_spacing(spacing))
    results = [0.0] * len(pairs)
    groups = []
    for number, (first, second) in enumerate(pairs):
        on_first, on_second = found.on(first), found.on(second)
        if not on_first.any() or not on_second.any():
            results[number] = empty if on_first.any() or on_second.any() else 0.0
            continue
        there = _Direction.of(found, on_first, on_second, second)
        back = _Direction.of(found, on_second, on_first, first)
        directions = [(there, back)] if definition == "pooled" else [(there,), (back,)]
        groups += [_Group(number, each) for each in directions]
    _walk(found, groups)
    for group in groups:
        results[group.pair] = max(results[group.pair], group.percentile(found))
    return results


@dataclass(eq=False)
class _Direction:
    """Distances from one surface to another.

    Attributes:
        size: Voxels of the surface.
        target: The other mask's bit.
        places: Voxels whose distance is still open; those on both surfaces have distance 0.
    """

    size: int
    target: int
    places: Indices

    @classmethod
    def of(
        cls, found: Borders, mine: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_], target: int
    ) -> _Direction:
        return cls(int(np.count_nonzero(mine)), target, found.places[mine & ~other])


@dataclass
class _Group:
    """A list of distances with one percentile.

    Attributes:
        pair: The number of the pair that it belongs to.
        directions: Whose distances are in the list.
        lengths: Known lengths in mm, ascending; those still open are longer.
        counts: How often each occurs.
    """

    pair: int
    directions: tuple[_Direction, ...]
    lengths: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lengths.append(0.0)
        self.counts.append(self.size - sum(len(each.places) for each in self.directions))

    @property
    def size(self) -> int:
        return sum(each.size for each in self.directions)

    @property
    def position(self) -> float:
        """Where the percentile lies in the sorted list, as in ``numpy.percentile``."""
        return _QUANTILE * (self.size - 1)

    @property
    def decided(self) -> bool:
        """Whether the percentile lies among the known lengths."""
        return sum(self.counts) > math.ceil(self.position)

    def hopes(self, more: float) -> bool:
        """Whether about so many more known lengths may decide; else the tail is the shorter way."""
        return sum(self.counts) + _HOPE * more > self.position

    def percentile(self, found: Borders) -> float:
        """Return the 95th percentile with linear interpolation."""
        ranks = math.floor(self.position), math.ceil(self.position)
        known = sum(self.counts)
        ends = np.cumsum(self.counts)
        low, high = (
            self.lengths[int(np.searchsorted(ends, rank, side="right"))] if rank < known else math.nan
            for rank in ranks
        )
        if ranks[1] >= known:
            sides = [
                Side(found.points(each.places), found.points(found.places[found.on(each.target)]))
                for each in self.directions
                if len(each.places)
            ]
            first, high = ordered(sides, (max(ranks[0] - known, 0), ranks[1] - known), min(found.spacing))
            low = low if ranks[0] < known else first
        return low + (high - low) * (self.position - ranks[0])


def _walk(found: Borders, groups: Sequence[_Group]) -> None:
    """Look outward from every open place, shell by shell, while that can still decide a group."""
    walking = [group for group in groups if not group.decided]
    # One array for all of them: most of the time would go into calls for a few voxels each.
    directions = [direction for group in walking for direction in group.directions]
    lengths = [len(direction.places) for direction in directions]
    places = np.concatenate([np.zeros(0, np.intp), *(direction.places for direction in directions)])
    wanted = np.repeat(np.array([1 << each.target for each in directions], np.uint8), lengths)
    owner = np.repeat(np.arange(len(directions)), lengths)
    left = sum(len(offsets) for _, offsets in found.shells)
    for length, offsets in found.shells:
        if not walking:
            return
        seen = np.zeros(len(places), np.uint8)
        for offset in offsets:
            seen |= found.volume.take(places + offset)
        missed = (seen & wanted) == 0
        hits = np.bincount(owner[~missed], minlength=len(directions))
        places, wanted, owner = places[missed], wanted[missed], owner[missed]
        left -= len(offsets)
        stops = np.zeros(len(directions), np.bool_)
        for group in walking:
            own = [number for number, each in enumerate(directions) if each in group.directions]
            group.lengths.append(length)
            group.counts.append(int(hits[own].sum()))
            stops[own] = group.decided or not group.hopes(group.counts[-1] / len(offsets) * left)
        if stops.any():
            for number in np.flatnonzero(stops).tolist():
                directions[number].places = places[owner == number]
            walking = [group for group in walking if not stops[directions.index(group.directions[0])]]
            keep = ~stops[owner]
            places, wanted, owner = places[keep], wanted[keep], owner[keep]
    for number, direction in enumerate(directions):
        if any(direction in group.directions for group in walking):
            direction.places = places[owner == number]
