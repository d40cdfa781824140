"""``rank-then-median``: submissions are ranked on each case; the median rank orders them at a site."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaderboard.ranking.base import Floats, Rules
from leaderboard.ranking.medians import doubled_medians
from leaderboard.ranking.site_ranking import SiteRanking
from leaderboard.ranking.ties import doubled_ranks
from leaderboard.site_summary import Ties


def median_rank(costs: Floats, counts: npt.NDArray[np.uint32], ties: Ties) -> Floats:
    """Return four times the median of each submission's ranks; shapes as in `SiteCosts`."""
    return doubled_medians(doubled_ranks(costs, ties), counts)


def median_rank_slack(costs: Floats) -> npt.NDArray[np.int64]:
    """Return four: no rank on a case moves by more than one, and so no median does."""
    return np.full((1, 1), 4, np.int64)


def rank_then_median(rules: Rules) -> SiteRanking:
    """Return the scheme."""
    return SiteRanking("rank-then-median", rules, median_rank, median_rank_slack, summary="median")
