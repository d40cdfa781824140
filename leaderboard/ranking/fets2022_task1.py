"""``fets2022-task1``: Task 1 of FeTS 2022, ranks on cases together with the rank of the convergence score.

With r[case, metric, t] the rank of submission t on a case among all submissions, for the Dice and HD95 of
the three regions, and q[t] its rank by the convergence score, the higher the better::

    score_t = mean over cases of ( sum over the six metrics of r[case, metric, t] + 3 q[t] ) / 9

so that convergence weighs as much as the three Dice or the three HD95. Ties have the mean of their places.
Every case weighs the same, whatever its site. The published script skipped missing ranks, which let a team
without any value win; here what is missing is ranked last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.ranking.base import (
    Better,
    Cells,
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
from leaderboard.ranking.site_ranking import whole_site_ranks
from leaderboard.ranking.ties import doubled_ranks, final_ranks
from leaderboard.site_summary import RankRules

CONVERGENCE_WEIGHT = 3


@dataclass(frozen=True)
class Fets2022Task1:
    """The scheme; only what to do about cells without evaluation is left open by its publication."""

    rules: Rules
    name: str = "fets2022-task1"
    better: Better = "lower"

    def prepare(self, table: CaseTable) -> CaseTable:
        """Return the table that is ranked; see `leaderboard.ranking.base.Scheme`."""
        if self.rules.cells == "pairwise" and table.summaries and not table.evaluated.all():
            raise TableError(
                f"{self.name} compares pairs case by case, and site {table.summaries[0].site} gave a summary"
                "; declare drop-site or worst-rank for missing cells"
            )
        return prepare_cells(table, self.rules.cells)

    def rank(self, table: CaseTable, convergence: Mapping[str, float] | None) -> Ranking:
        """Rank the submissions of a table and their convergence scores.

        Raises:
            TableError: There are no convergence scores, or nothing to rank.
        """
        table = self.prepare(table)
        found = self.rank_draws(table, convergence, as_it_is(table))
        return Ranking(self.name, table.submissions, found.scores[0], found.ranks[0], self.better)

    def rank_draws(
        self, table: CaseTable, convergence: Mapping[str, float] | None, draws: Draws
    ) -> RankedDraws:
        """Rank the submissions in each of many resamples; convergence scores are as they are."""
        check_prepared(table, self.rules.cells)
        metrics = len(table.metrics)
        speed = doubled_convergence_ranks(table.submissions, convergence)
        weight = CONVERGENCE_WEIGHT * metrics / 6
        if self.rules.cells == "pairwise" and not table.evaluated.all():
            means = self._pairwise_means(table, draws)
            scores = np.round((metrics * means + weight * speed / 2) / (metrics + weight), 12)
        else:
            total, cases = self._sums(table, draws)
            scores = (total / cases + weight * speed) / (2 * (metrics + weight))
        ranked = has_value(table, self.rules.cases, draws)
        return RankedDraws(scores, final_ranks(scores, ranked, self.rules.final_ties))

    def _sums(self, table: CaseTable, draws: Draws) -> tuple[Floats, Floats]:
        """Return the doubled ranks summed over metrics and cases, and the number of cases."""
        total = np.zeros((draws.resamples, len(table.submissions)))
        cases = np.zeros((draws.resamples, 1))
        evaluated = table.evaluated
        for site, owners in enumerate(draws.owners):
            if not len(owners):
                continue
            present = evaluated[:, site]
            count = int(table.case_counts[site])
            if site < len(table.case_sites):
                own = costs_of(table, self.rules.cases, site)
                flat = own.reshape(len(own), -1)
                ranks = whole_site_ranks(flat, present, self.rules.cases.ties)
                by_case = ranks.reshape(len(present), count, -1).sum(axis=2)
                sums = draws.counts[site].astype(np.float64) @ by_case.T.astype(np.float64)
            else:
                sums = self._summary_sums(table, site, present)
            every = np.broadcast_to(sums, (len(owners), len(present)))
            resamples, starts, times = np.unique(owners, return_index=True, return_counts=True)
            total[resamples] += np.add.reduceat(every, starts, axis=0)
            cases[resamples, 0] += times * count
        return total, cases

    def _summary_sums(self, table: CaseTable, site: int, present: npt.NDArray[np.bool_]) -> Floats:
        summary = table.summaries[site - len(table.case_sites)]
        means = summary.under(self.rules.cases, table.metrics).mean
        there, absent = int(present.sum()), int((~present).sum())
        ranks = np.full((len(table.metrics), len(present)), there + (absent + 1) / 2)
        ranks[:, present] = means
        sums: Floats = np.rint(2 * summary.cases * ranks).sum(axis=0)
        return sums[np.newaxis]

    def _pairwise_means(self, table: CaseTable, draws: Draws) -> Floats:
        pairs = Pairs.none(draws.resamples, len(table.submissions))
        for site, owners in enumerate(draws.owners):
            if not len(owners):
                continue
            present = np.flatnonzero(table.evaluated[:, site])
            counts = draws.counts[site].astype(np.float64)
            own = costs_of(table, self.rules.cases, site)
            for metric in range(len(table.metrics)):
                beaten = beaten_by(own[:, :, metric], self.rules.cases.ties)
                summed = np.tensordot(counts, beaten.astype(np.float64), axes=1)
                pairs.add(present, summed, owners, counts.sum(axis=1))
        return pairs.scores()


def doubled_convergence_ranks(
    submissions: tuple[str, ...], convergence: Mapping[str, float] | None
) -> npt.NDArray[np.int32]:
    """Return twice the ranks by convergence score, the highest first; who has none is last.

    Raises:
        TableError: There are no scores at all.
    """
    scores = np.array([(convergence or {}).get(name, np.nan) for name in submissions], np.float64)
    if np.isnan(scores).all():
        raise TableError(
            "fets2022-task1 ranks convergence scores too, and there are none for these submissions; "
            "give --convergence a file of submission,convergence_score"
        )
    costs = np.where(np.isnan(scores), np.inf, -scores)
    return doubled_ranks(costs[:, np.newaxis], "average")[:, 0]


def fets2022_task1(cells: Cells) -> Fets2022Task1:
    """Return the scheme."""
    return Fets2022Task1(Rules(RankRules("average", "last", "as-scored"), "average", cells))
