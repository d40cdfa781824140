"""``fets2022-task2-r`` and ``fets2022-task2-py``: Task 2 of FeTS 2022, in its two published variants.

Both are `rank-then-mean` with ties at the best place within a site. They differ in two points:

| | ``-r`` (compute_ranking.R) | ``-py`` (plots_task2.py) |
|---|---|---|
| missing value | counts as Dice 0, HD95 1000 | after all values, missing ones tied |
| final ties | mean of the places | best place |
"""

from __future__ import annotations

from leaderboard.ranking.base import Cells, Rules
from leaderboard.ranking.rank_then_mean import rank_then_mean
from leaderboard.ranking.site_ranking import SiteRanking
from leaderboard.site_summary import RankRules


def fets2022_task2_r(cells: Cells) -> SiteRanking:
    """Return the variant of the R script."""
    rules = Rules(RankRules("min", "penalty", "as-scored"), "average", cells)
    return rank_then_mean(rules, "fets2022-task2-r")


def fets2022_task2_py(cells: Cells) -> SiteRanking:
    """Return the variant of the Python twin."""
    rules = Rules(RankRules("min", "last", "as-scored"), "min", cells)
    return rank_then_mean(rules, "fets2022-task2-py")
