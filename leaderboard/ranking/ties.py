"""Ranks with ties, over many columns at once.

Ranks are doubled inside, since an average rank may be a half: sums of integers are exact, so that equal
submissions stay equal whatever the order of summing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from leaderboard.site_summary import Ties

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_BLOCK = 4096  # columns whose comparisons stay in the processor's cache


def doubled_ranks(costs: npt.NDArray[Any], ties: Ties) -> npt.NDArray[np.int32]:
    """Return twice the ranks within each column, the lowest cost first.

    Args:
        costs: Shape (competitor, column), no NaN; +inf ties with +inf.
        ties: ``min`` or ``average``.

    Example:
        >>> doubled_ranks(np.array([[0.2], [0.1], [0.2]]), "average").ravel().tolist()
        [5, 2, 5]
    """
    competitors, columns = costs.shape
    ranks = np.empty((competitors, columns), np.int32)
    count = np.uint8 if competitors < 256 else np.int32
    for start in range(0, columns, _BLOCK):
        block = np.ascontiguousarray(costs[:, start : start + _BLOCK])
        for index in range(competitors):
            lower = (block < block[index]).view(np.uint8).sum(axis=0, dtype=count).astype(np.int32)
            if ties == "min":
                ranks[index, start : start + _BLOCK] = 2 * lower + 2
            else:
                not_higher = (block <= block[index]).view(np.uint8).sum(axis=0, dtype=count)
                ranks[index, start : start + _BLOCK] = lower + not_higher + 1
    return ranks


def final_ranks(costs: Floats, ranked: npt.NDArray[np.bool_], ties: Ties) -> Floats:
    """Return the ranks of final scores; who has none, or no value at all, comes after all others.

    Args:
        costs: Final scores such that lower is better, shape (resample, submission); NaN for none.
        ranked: Whether the submission has any value, of the same shape.
        ties: Of the ranks.

    Example:
        >>> final_ranks(np.array([[1.5, 1.0, np.nan, 1.0]]), np.ones((1, 4), bool), "min").tolist()
        [[3.0, 1.0, 4.0, 1.0]]
    """
    last = np.isnan(costs) | ~ranked
    return doubled_ranks(np.where(last, np.inf, costs).T, ties).T / 2.0
