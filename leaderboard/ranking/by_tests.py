"""``test-based``: at a site, the share of the others that a submission is significantly better than.

For each metric and each ordered pair a one-sided paired Wilcoxon signed-rank test over the site's cases,
5 % level, not adjusted for the number of tests; the more wins, the better.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaderboard.ranking.base import Floats, Rules
from leaderboard.ranking.needs_values import check_needs_values
from leaderboard.ranking.site_ranking import SiteRanking
from leaderboard.ranking.wilcoxon import signed_ranks
from leaderboard.site_summary import Ties

Z_AT_5_PERCENT = 1.6448536269514722
"""The standard normal's 95 % quantile."""

_CELLS = 1 << 16  # pairs and resamples at a time, for the processor's cache


def lost_tests(costs: Floats, counts: npt.NDArray[np.uint32], ties: Ties) -> npt.NDArray[np.int32]:
    """Return minus the number of others that each submission is significantly better than.

    Args:
        costs: Shape (submission, case), finite.
        counts: Shape (resample, case).
        ties: Does not matter here.

    Returns:
        Shape (submission, resample).
    """
    names = len(costs)
    first, second = np.triu_indices(names, 1)
    won = np.zeros((2, len(first), len(counts)), np.bool_)
    step = max(16, _CELLS // max(len(counts), 1))
    for start in range(0, len(first), step):
        pairs = slice(start, start + step)
        ranks = signed_ranks(costs[first[pairs]] - costs[second[pairs]], counts)
        won[1, pairs], won[0, pairs] = ranks.significant(Z_AT_5_PERCENT)
    wins = np.zeros((names, len(counts)), np.int32)
    starts = np.searchsorted(first, np.arange(names + 1))
    for index in range(names):
        own = slice(starts[index], starts[index + 1])
        wins[index] += won[0, own].view(np.uint8).sum(axis=0, dtype=np.int32)
        wins[index + 1 :] += won[1, own]
    return -wins


def one_win(costs: Floats) -> npt.NDArray[np.int64]:
    """Return one: against one more submission, a may win and b not."""
    return np.ones((1, 1), np.int64)


def by_tests(rules: Rules) -> SiteRanking:
    """Return the scheme.

    Raises:
        TableError: The rules leave missing values without a value.
    """
    check_needs_values("test-based", rules)
    return SiteRanking("test-based", rules, lost_tests, one_win)
