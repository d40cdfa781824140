"""``rank-then-mean``: submissions are ranked on each case; the mean of these ranks orders them at a site."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaderboard.ranking.base import Floats, Rules
from leaderboard.ranking.site_ranking import SiteRanking
from leaderboard.ranking.ties import doubled_ranks
from leaderboard.site_summary import Ties

_EXACT_FLOAT32 = 2**24


def mean_rank(costs: Floats, counts: npt.NDArray[np.uint32], ties: Ties) -> Floats:
    """Return the sum of each submission's doubled ranks, which orders as the mean does.

    Sums of whole numbers, exact in the type that they are summed in: BLAS may sum in any order.

    Args:
        costs: Shape (submission, case).
        counts: Shape (resample, case).
        ties: Of the ranks on a case.

    Returns:
        Shape (submission, resample).
    """
    ranks = doubled_ranks(costs, ties)
    most = 2 * len(costs) * int(counts.sum(axis=1, dtype=np.int64).max(initial=0))
    kind = np.float32 if most < _EXACT_FLOAT32 else np.float64
    sums: Floats = ranks.astype(kind) @ counts.T.astype(kind)
    return sums


def mean_rank_slack(costs: Floats) -> npt.NDArray[np.int64]:
    """Return twice the number of cases on which a is better than b: there, who comes between raises b."""
    return np.array([2 * (own < costs).sum(axis=1) for own in costs], np.int64)


def rank_then_mean(rules: Rules, name: str = "rank-then-mean") -> SiteRanking:
    """Return the scheme."""
    return SiteRanking(name, rules, mean_rank, mean_rank_slack, summary="mean")
