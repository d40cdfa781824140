"""Paired one-sided Wilcoxon signed-rank tests of many pairs in many resamples at once.

As ``scipy.stats.wilcoxon(x, y, alternative=..., zero_method="wilcox", correction=True,
method="asymptotic")`` and R's ``wilcox.test(paired=TRUE, exact=FALSE)``: zeros dropped, average ranks for
ties, tie correction of the variance, continuity correction.

A resample gives each difference a count w. With the differences sorted by size and C the running sum of
the counts, a difference without a tie has, in all, twice the rank sum::

    w_k (2 C_(k-1) + w_k + 1)

so that one walk over the sorted differences gives twice W+ of all resamples. Within a group of equal sizes
those with a minus sign are put first; the walk then overstates twice W+ by (count of plus) x (count of
minus) of the group, which is taken off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint32]

_CELLS = 1 << 16  # accumulators that stay in the processor's cache
_SAME = 1e-12


@dataclass(frozen=True)
class SignedRanks:
    """The statistic of each pair in each resample; arrays of shape (pair, resample).

    Attributes:
        positive: Rank sum W+ of the positive differences.
        nonzero: Number n of differences that are not zero.
        tie_sum: Sum of t**3 - t over groups of t equal sizes.
    """

    positive: Floats
    nonzero: Floats
    tie_sum: Floats

    def z(self) -> tuple[Floats, Floats]:
        """Return the z values of "x is greater" and "x is less"; -inf where every difference is zero."""
        off, error = self._off_and_error()
        found = []
        for sign in (1.0, -1.0):
            z = np.full(off.shape, -np.inf)
            np.divide(sign * off - 0.5, error, out=z, where=error > 0)
            found.append(z)
        return found[0], found[1]

    def significant(self, z: float) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return whether "x is greater" and "x is less" have at least this z, without dividing."""
        off, error = self._off_and_error()
        needed = np.where(error > 0, z * error + 0.5, np.inf)
        return off >= needed, -off >= needed

    def _off_and_error(self) -> tuple[Floats, Floats]:
        n = self.nonzero
        variance = n * (n + 1) * (2 * n + 1) / 24 - self.tie_sum / 48
        return self.positive - n * (n + 1) / 4, np.sqrt(np.maximum(variance, 0.0))


def signed_ranks(differences: Floats, counts: Counts) -> SignedRanks:
    """Return the statistics of many pairs in many resamples.

    Args:
        differences: x - y of each pair, shape (pair, case), finite. Sizes that differ by less than
            1e-12 count as equal: 0.9 - 0.8 and 0.8 - 0.7 are.
        counts: How often each resample has each case, shape (resample, case).

    Example:
        >>> found = signed_ranks(np.array([[3.0, -1.0, 2.0]]), np.ones((1, 3), np.uint32))
        >>> found.positive.item(), found.nonzero.item(), found.tie_sum.item()
        (5.0, 3.0, 0.0)
    """
    cases = differences.shape[1]
    sizes = np.abs(differences)
    differences = np.where(sizes < _SAME, 0.0, differences)
    order, group = _order_and_groups(differences)
    most = int(counts.sum(axis=1, dtype=np.int64).max(initial=0))
    # Twice W+ is at most most * (most + 1).
    kind = np.uint16 if most < 256 else np.uint32 if most < 2**16 else np.uint64
    # A row of zeros more, for the differences that do not count.
    weights = np.zeros((cases + 1, len(counts)), kind)
    weights[:cases] = counts.T
    doubled = _walk(np.take_along_axis(differences, order, axis=1), order, weights)

    # What follows are whole numbers up to most**3, exact in every order of summing.
    exact: npt.NDArray[np.floating] = weights[:cases].astype(np.float32 if most < 256 else np.float64)
    overstated, cubes = _of_tied_groups(differences, order, group, exact)
    own = exact * exact * exact - exact
    n = np.broadcast_to(exact.sum(axis=0, dtype=np.float64), doubled.shape).copy()
    cubes += own.sum(axis=0)
    zero = differences == 0
    some = np.flatnonzero(zero.any(axis=1))
    if len(some):
        n[some] -= zero[some].astype(exact.dtype) @ exact
        cubes[some] -= zero[some].astype(exact.dtype) @ own
    doubled -= overstated
    doubled /= 2
    return SignedRanks(doubled, n, cubes)


def _order_and_groups(differences: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Sort each row by size, minus before plus among equal ones; number the groups of equal sizes."""
    sizes = np.abs(differences)
    order = np.argsort(sizes, axis=1, kind="stable")
    ordered = np.take_along_axis(sizes, order, axis=1)
    steps = np.diff(ordered, axis=1, prepend=ordered[:, :1]) >= _SAME
    group = np.cumsum(steps, axis=1)
    tied = np.flatnonzero(~steps[:, 1:].all(axis=1))
    if len(tied):
        rough = order[tied]
        plus = np.take_along_axis(differences[tied], rough, axis=1) > 0
        fine = np.argsort(2 * group[tied] + plus, axis=1, kind="stable")
        order[tied] = np.take_along_axis(rough, fine, axis=1)
    return order, group.astype(np.intp)


def _walk(
    ordered: Floats, order: npt.NDArray[np.intp], weights: npt.NDArray[np.unsignedinteger]
) -> npt.NDArray[np.float64]:
    """Return twice W+, taking every size as different from the others; shape (pair, resample)."""
    pairs, cases = order.shape
    resamples = weights.shape[1]
    index = np.where(ordered == 0, cases, order)
    # With F(C) = C (C + 1), twice W+ is the sum of F(C_k) - F(C_(k-1)) over plus signs: F counts only where
    # the sign changes. Unsigned numbers wrap, so that -1 is their largest.
    plus = np.concatenate([ordered > 0, np.zeros((pairs, 1), np.bool_)], axis=1).astype(np.int8)
    factors = (plus[:, :-1] - plus[:, 1:]).astype(weights.dtype)
    doubled = np.empty((pairs, resamples))
    step = max(1, _CELLS // max(resamples, 1))
    for start in range(0, pairs, step):
        rows = slice(start, start + step)
        here, factor = np.ascontiguousarray(index[rows].T), np.ascontiguousarray(factors[rows].T)
        shape = (here.shape[1], resamples)
        passed, total = np.zeros(shape, weights.dtype), np.zeros(shape, weights.dtype)
        part = np.empty(shape, weights.dtype)
        for case in range(cases):
            weights.take(here[case], axis=0, out=part, mode="clip")
            passed += part
            np.add(passed, 1, out=part)
            part *= passed
            part *= factor[case, :, np.newaxis]
            total += part
        doubled[rows] = total
    return doubled


def _of_tied_groups(
    differences: Floats, order: npt.NDArray[np.intp], group: npt.NDArray[np.intp], weights: npt.NDArray[Any]
) -> tuple[Floats, Floats]:
    """Return what ties change: the overstatement of twice W+, and what t**3 lacks of the sum of w**3."""
    pairs, cases = order.shape
    overstated = np.zeros((pairs, weights.shape[1]))
    cubes = np.zeros_like(overstated)
    ordered = np.take_along_axis(differences, order, axis=1)
    label = np.arange(pairs)[:, np.newaxis] * cases + group
    size = np.bincount(label.ravel(), minlength=pairs * cases)
    tied = np.flatnonzero((size[label] > 1) & (ordered != 0))
    rows = tied // cases
    step = max(1, _CELLS // max(weights.shape[1], 1))
    for first, end in _whole_rows(rows, step):
        members = tied[first:end]
        own = weights[order.ravel()[members]]
        plus = own * (ordered.ravel()[members] > 0)[:, np.newaxis]
        labels, at = np.unique(label.ravel()[members], return_index=True)
        whole, plus = np.add.reduceat(own, at, axis=0), np.add.reduceat(plus, at, axis=0)
        extra = whole * whole * whole - np.add.reduceat(own * own * own, at, axis=0)
        pair, begin = np.unique(labels // cases, return_index=True)
        overstated[pair] = np.add.reduceat(plus * (whole - plus), begin, axis=0)
        cubes[pair] = np.add.reduceat(extra, begin, axis=0)
    return overstated, cubes


def _whole_rows(rows: npt.NDArray[np.intp], step: int) -> Iterator[tuple[int, int]]:
    """Cut ascending row numbers into pieces of about `step` that never part a row."""
    start = 0
    while start < len(rows):
        last = rows[min(start + step, len(rows)) - 1]
        end = int(np.searchsorted(rows, last, side="right"))
        yield start, end
        start = end
