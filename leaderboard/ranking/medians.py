"""Medians of resampled columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_CELLS = 1 << 16  # accumulators that stay in the processor's cache


def doubled_medians(values: npt.NDArray[Any], counts: npt.NDArray[np.uint32]) -> Floats:
    """Return twice the median of each column in each resample: the sum of its two middle values.

    Each column is sorted once; then one walk over its cases adds up the counts of all resamples and
    finds where they pass the middle.

    Args:
        values: Shape (column, case).
        counts: How often each resample has each case, shape (resample, case); no row of zeros.

    Returns:
        Shape (column, resample).

    Example:
        >>> doubled_medians(np.array([[3.0, 1.0, 2.0]]), np.array([[1, 1, 1], [2, 0, 2]], np.uint32))
        array([[4., 5.]])
    """
    columns, cases = values.shape
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    total = counts.sum(axis=1, dtype=np.int64)
    most = max(int(total.max(initial=0)), cases)
    kind = np.uint8 if most < 2**8 else np.uint16 if most < 2**16 else np.uint32
    weights = np.ascontiguousarray(counts.T.astype(kind))
    middles = [((total + 1) // 2).astype(kind), (total // 2 + 1).astype(kind)]
    found = np.zeros((columns, len(counts)))
    step = max(1, _CELLS // max(len(counts), 1))
    for start in range(0, columns, step):
        here = np.ascontiguousarray(order[start : start + step].T)
        passed = np.zeros((here.shape[1], len(counts)), kind)
        part = np.empty_like(passed)
        at = [np.zeros_like(passed), np.zeros_like(passed)]
        for case in range(cases):
            weights.take(here[case], axis=0, out=part, mode="clip")
            passed += part
            for place, middle in zip(at, middles, strict=True):
                place += passed < middle
            if case % 8 == 0 and (passed >= middles[1]).all():
                break
        rows = ordered[start : start + step]
        for place in at:
            found[start : start + step] += np.take_along_axis(rows, place.astype(np.intp), 1)
    return found
