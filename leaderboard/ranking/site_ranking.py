"""Ranking as the challenge's Task 2 did it: at every site, by every metric, then the mean of those ranks.

At each site and for each metric the submissions are ordered by some cost (the mean of their ranks on the
cases, say) and ranked: R[site, metric, submission]. A submission's score is the mean of its R over metrics
and sites: every site and every metric weighs the same, however many cases a site has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.ranking.base import (
    Better,
    Floats,
    RankedDraws,
    Ranking,
    Rules,
    check_prepared,
    costs_of,
    has_value,
    prepare_cells,
)
from leaderboard.ranking.draws import Draws, as_it_is
from leaderboard.ranking.pairs import Pairs, beaten_by
from leaderboard.ranking.ties import doubled_ranks, final_ranks
from leaderboard.site_summary import SiteSummary, Ties

Bools = npt.NDArray[np.bool_]


class SiteCosts(Protocol):
    """How a scheme orders submissions at one site by one metric."""

    def __call__(
        self, costs: Floats, counts: npt.NDArray[np.uint32], ties: Ties
    ) -> npt.NDArray[np.number[Any]]:
        """Return the submissions' costs in each resample of a site's cases, the lower the better.

        Args:
            costs: Of one metric, shape (submission, case).
            counts: How often each resample has each case, shape (resample, case).
            ties: Of ranks on a case.

        Returns:
            Shape (submission, resample).
        """


class Slack(Protocol):
    """How far one more submission at a site can move two others apart."""

    def __call__(self, costs: Floats) -> npt.NDArray[Any]:
        """Return by how much at most it raises the cost of b over that of a, for every pair.

        Args:
            costs: Of one metric, shape (submission, case).

        Returns:
            Shape (a, b), or what broadcasts to it; in the units of `SiteCosts`.
        """


@dataclass(frozen=True)
class SiteRanking:
    """A scheme of this kind.

    Attributes:
        name: The scheme's id.
        rules: What it does about ties and everything missing.
        costs: Orders the submissions at a site.
        slack: How a submission more can change that order.
        summary: Which ranks of a site's summary have the same order; None if none has.
    """

    name: str
    rules: Rules
    costs: SiteCosts
    slack: Slack
    summary: Literal["mean", "median"] | None = None
    better: Better = "lower"

    def prepare(self, table: CaseTable) -> CaseTable:
        """Return the table that is ranked; see `leaderboard.ranking.base.Scheme`."""
        return prepare_cells(table, self.rules.cells)

    def rank(self, table: CaseTable, convergence: Mapping[str, float] | None) -> Ranking:
        """Rank the submissions of a table; convergence scores do not matter here."""
        table = self.prepare(table)
        found = self.rank_draws(table, convergence, as_it_is(table))
        return Ranking(self.name, table.submissions, found.scores[0], found.ranks[0], self.better)

    def rank_draws(
        self, table: CaseTable, convergence: Mapping[str, float] | None, draws: Draws
    ) -> RankedDraws:
        """Rank the submissions in each of many resamples of a prepared table."""
        check_prepared(table, self.rules.cells)
        pairwise = self.rules.cells == "pairwise" and not table.evaluated.all()
        scores = self._pairwise_scores(table, draws) if pairwise else self._scores(table, draws)
        ranked = has_value(table, self.rules.cases, draws)
        return RankedDraws(scores, final_ranks(scores, ranked, self.rules.final_ties))

    def site_costs(self, table: CaseTable, draws: Draws, site: int) -> list[npt.NDArray[Any]]:
        """Return, for each metric, the costs of the submissions that the site evaluated.

        Returns:
            Arrays of shape (submission, slot); (submission, 1) where all slots have the same.
        """
        if site >= len(table.case_sites):
            summary = table.summaries[site - len(table.case_sites)]
            return list(self._summary_costs(summary, table.metrics)[:, :, np.newaxis])
        costs = costs_of(table, self.rules.cases, site)
        return [
            self.costs(costs[:, :, metric], draws.counts[site], self.rules.cases.ties)
            for metric in range(len(table.metrics))
        ]

    def _summary_costs(self, summary: SiteSummary, metrics: tuple[str, ...]) -> Floats:
        if self.summary is None:
            raise TableError(
                f"{self.name} needs case values, and site {summary.site} gave a summary of ranks; "
                "choose a rank-based scheme or leave the site out"
            )
        ranks = summary.under(self.rules.cases, metrics)
        return ranks.mean if self.summary == "mean" else ranks.median

    def _scores(self, table: CaseTable, draws: Draws) -> Floats:
        names = len(table.submissions)
        total = np.zeros((draws.resamples, names))
        slots = np.zeros(draws.resamples)
        evaluated = table.evaluated
        for site, owners in enumerate(draws.owners):
            if not len(owners):
                continue
            present = evaluated[:, site]
            ranks = sum(
                whole_site_ranks(costs, present, self.rules.cases.ties)
                for costs in self.site_costs(table, draws, site)
            )
            every = np.broadcast_to(np.asarray(ranks).T, (len(owners), names))
            resamples, starts, times = np.unique(owners, return_index=True, return_counts=True)
            total[resamples] += np.add.reduceat(every, starts, axis=0)
            slots[resamples] += times
        return total / (2 * len(table.metrics) * slots[:, np.newaxis])

    def _pairwise_scores(self, table: CaseTable, draws: Draws) -> Floats:
        pairs = Pairs.none(draws.resamples, len(table.submissions))
        for site, owners in enumerate(draws.owners):
            present = np.flatnonzero(table.evaluated[:, site])
            if len(owners):
                for costs in self.site_costs(table, draws, site):
                    pairs.add(present, beaten_by(costs, self.rules.cases.ties), owners)
        return pairs.scores()


def no_slack(costs: Floats) -> npt.NDArray[Any]:
    """Return no slack: costs that do not depend on who else is there."""
    return np.zeros((1, 1), np.int64)


def whole_site_ranks(costs: npt.NDArray[Any], present: Bools, ties: Ties) -> npt.NDArray[np.int32]:
    """Return doubled ranks at a site; who was not evaluated there is last, behind everyone who was.

    Args:
        costs: Of those who were, shape (submission, slot).
        present: Whether each submission was, shape (submission,).
        ties: Of the ranks.

    Returns:
        Shape (all submissions, slot).
    """
    there = len(costs)
    absent = len(present) - there
    last = 2 * there + 2 if ties == "min" else 2 * there + absent + 1
    ranks = np.full((len(present), costs.shape[1]), last, np.int32)
    ranks[present] = doubled_ranks(costs, ties)
    return ranks
