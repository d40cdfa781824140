"""``aggregate-then-mean``: the mean of a submission's values at a site orders the submissions there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaderboard.ranking.base import Floats, Rules
from leaderboard.ranking.needs_values import check_needs_values
from leaderboard.ranking.site_ranking import SiteRanking, no_slack
from leaderboard.site_summary import Ties

_BITS = 52  # whole numbers below 2**53 are exact in float64
_FINEST = 30


def mean_value(costs: Floats, counts: npt.NDArray[np.uint32], ties: Ties) -> Floats:
    """Return the sum of each submission's values, which orders as the mean does.

    The values are first rounded to whole multiples of a power of two (2**-30, or larger where HD95 of
    very many cases needs it), so that every sum is exact: equal submissions tie whatever the order of
    their cases, and means that differ by less than that power tie too.

    Args:
        costs: Shape (submission, case), finite.
        counts: Shape (resample, case).
        ties: Does not matter here.

    Returns:
        Shape (submission, resample).
    """
    largest = float(np.abs(costs).max(initial=1.0)) * int(counts.sum(axis=1, dtype=np.int64).max(initial=1))
    bits = min(_FINEST, _BITS - int(np.ceil(np.log2(max(largest, 1.0)))))
    return np.rint(np.ldexp(costs, bits)) @ counts.T.astype(np.float64)


def aggregate_then_mean(rules: Rules) -> SiteRanking:
    """Return the scheme.

    Raises:
        TableError: The rules leave missing values without a value.
    """
    check_needs_values("aggregate-then-mean", rules)
    return SiteRanking("aggregate-then-mean", rules, mean_value, no_slack)
