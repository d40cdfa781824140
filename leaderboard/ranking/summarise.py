"""What a site computes over its own cases when it releases no case values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.ranking.base import costs_of
from leaderboard.ranking.medians import doubled_medians
from leaderboard.ranking.ties import doubled_ranks
from leaderboard.site_summary import RankRules, SiteSummary, SummaryRanks

FETS2022_RULES = (
    RankRules("average", "last", "as-scored"),
    RankRules("min", "penalty", "as-scored"),
    RankRules("min", "last", "as-scored"),
)
"""What the three published schemes ask for: Task 1, Task 2 in R, Task 2 in Python."""


def summarise_site(table: CaseTable, site: str, rules: Sequence[RankRules]) -> SiteSummary:
    """Return the ranks of the submissions that a site evaluated, under each set of rules.

    Args:
        table: Has the case values of the site.
        site: Its name.
        rules: At least one; `FETS2022_RULES` serve the published schemes.

    Raises:
        TableError: The site has no case values, nobody was evaluated there, or the rules refuse a
            missing value.
    """
    if site not in table.case_sites or not rules:
        raise TableError(f"site {site}: has no case values in this table, or no rules were asked for")
    own = table.of_sites([site])
    present = own.evaluated[:, 0]
    names = [name for name, there in zip(own.submissions, present, strict=True) if there]
    cases = len(own.cases)
    ones = np.ones((1, cases), np.uint32)
    blocks = []
    for rule in rules:
        costs = costs_of(own, rule, 0)
        ranks = [doubled_ranks(costs[:, :, metric], rule.ties) for metric in range(len(own.metrics))]
        mean = np.array([rank.sum(axis=1) / (2 * cases) for rank in ranks])
        median = np.array([doubled_medians(rank, ones)[:, 0] / 4 for rank in ranks])
        blocks.append(SummaryRanks(rule, mean, median))
    penalised = own.penalised[present].mean(axis=1)
    return SiteSummary(site, cases, tuple(names), own.metrics, penalised, tuple(blocks))
