"""``aggregate-then-median``: the median of a submission's values at a site orders the submissions there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaderboard.ranking.base import Floats, Rules
from leaderboard.ranking.medians import doubled_medians
from leaderboard.ranking.needs_values import check_needs_values
from leaderboard.ranking.site_ranking import SiteRanking, no_slack
from leaderboard.site_summary import Ties


def median_value(costs: Floats, counts: npt.NDArray[np.uint32], ties: Ties) -> Floats:
    """Return twice the median of each submission's values; shapes as in `SiteCosts`, `ties` is not used."""
    return doubled_medians(costs, counts)


def aggregate_then_median(rules: Rules) -> SiteRanking:
    """Return the scheme.

    Raises:
        TableError: The rules leave missing values without a value.
    """
    check_needs_values("aggregate-then-median", rules)
    return SiteRanking("aggregate-then-median", rules, median_value, no_slack)
