"""What every ranking scheme has: its rules, its answer, its interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.metric_direction import lower_is_better
from leaderboard.ranking.draws import Draws
from leaderboard.site_summary import RankRules, Ties

Cells = Literal["drop-site", "worst-rank", "pairwise", "refuse"]
Better = Literal["lower", "higher"]
Floats = npt.NDArray[np.float64]

PENALTY_HD95 = 1000.0
"""What the challenge's R script put for a missing HD95, in mm; no volume has such a diagonal."""


@dataclass(frozen=True)
class Rules:
    """Everything about a ranking that would otherwise be a silent default.

    Attributes:
        cases: Ties, missing values and penalised cases where cases are compared.
        final_ties: Ties of the final ranks.
        cells: A site at which a submission was not evaluated at all. ``drop-site``: the site does not
            count for anybody; ``worst-rank``: the submission is ranked last there; ``pairwise``: each
            pair is compared on the sites that both have; ``refuse``: an error.
    """

    cases: RankRules
    final_ties: Ties
    cells: Cells

    def __str__(self) -> str:
        return f"{self.cases}, final ties {self.final_ties}, missing cells {self.cells}"


@dataclass(frozen=True)
class Ranking:
    """One scheme's answer.

    Attributes:
        scheme: Its name.
        submissions: Sorted by name.
        scores: As the scheme defines them, shape (submission,); NaN for one that cannot have a score.
        ranks: Shape (submission,), 1 is the best.
        better: Whether lower or higher scores are better.
    """

    scheme: str
    submissions: tuple[str, ...]
    scores: Floats
    ranks: Floats
    better: Better


@dataclass(frozen=True)
class RankedDraws:
    """A scheme's answers to many resamples; arrays of shape (resample, submission)."""

    scores: Floats
    ranks: Floats


class Scheme(Protocol):
    """A ranking scheme: a pure function of the table, over whole arrays."""

    @property
    def name(self) -> str:
        """Its id on the command line."""

    @property
    def better(self) -> Better:
        """Whether lower or higher scores are better."""

    @property
    def rules(self) -> Rules:
        """What it does about ties and everything missing."""

    def prepare(self, table: CaseTable) -> CaseTable:
        """Return the table that is ranked: without the sites that ``drop-site`` drops.

        Raises:
            TableError: Nothing would be left, or ``refuse`` meets a missing cell.
        """

    def rank(self, table: CaseTable, convergence: Mapping[str, float] | None) -> Ranking:
        """Rank the submissions of a table.

        Raises:
            TableError: The table has nothing to rank, or something that the rules refuse.
        """

    def rank_draws(
        self, table: CaseTable, convergence: Mapping[str, float] | None, draws: Draws
    ) -> RankedDraws:
        """Rank the submissions in each of many resamples of a prepared table.

        Raises:
            TableError: As for `rank`; the table is not prepared.
        """


def costs_of(table: CaseTable, rules: RankRules, site: int) -> Floats:
    """Return the values of those evaluated at a site such that lower is better.

    Missing values are +inf under ``last`` and the penalty under ``penalty``.

    Args:
        table: Has case values of the site.
        rules: What to do about missing and penalised values.
        site: Index in `table.case_sites`.

    Returns:
        Shape (evaluated submission, case, metric).

    Raises:
        TableError: A value is missing and the rules refuse it; the message names the first.
    """
    cases = table.cases_of(site)
    present = np.flatnonzero(table.listed[:, cases].any(axis=1))
    values = values_of(table, rules, cases)[present]
    missing = np.isnan(values)
    if rules.missing == "refuse" and missing.any():
        submission, case, metric = np.argwhere(missing)[0]
        where, name = table.cases[cases.start + case]
        raise TableError(
            f"submission {table.submissions[present[submission]]}, site {where}, case {name}: no "
            f"{table.metrics[metric]} ({int(missing.sum())} values are missing at the site); declare `last` "
            "or `penalty` for missing values"
        )
    lower = np.array([lower_is_better(metric) for metric in table.metrics])
    signs = np.where(lower, 1.0, -1.0)
    filler = np.where(lower, PENALTY_HD95, 0.0) if rules.missing == "penalty" else np.full(len(signs), np.inf)
    return np.where(missing, filler, values * signs)


def values_of(table: CaseTable, rules: RankRules, cases: slice) -> Floats:
    """Return the values that count; NaN where missing and, under ``as-missing``, where penalised."""
    values = table.values[:, cases]
    if rules.penalised == "as-missing":
        return np.where((table.penalised[:, cases] > 0)[:, :, np.newaxis], np.nan, values)
    return values


def has_value(table: CaseTable, rules: RankRules, draws: Draws) -> npt.NDArray[np.bool_]:
    """Return whether a submission has any value that counts, shape (resample, submission).

    One that has none is ranked last, whatever its score.
    """
    there: npt.NDArray[np.bool_] = np.any(~np.isnan(values_of(table, rules, slice(None))), axis=2)
    if there.all() and len(table.cases) and not table.summaries:
        return np.ones((draws.resamples, len(table.submissions)), np.bool_)
    found = np.zeros((draws.resamples, len(table.submissions)), np.bool_)
    for site, owners in enumerate(draws.owners):
        if site >= len(table.case_sites):
            seen = table.evaluated[np.newaxis, :, site]
        else:
            own = there[:, table.cases_of(site)]
            seen = draws.counts[site].astype(np.float32) @ own.T.astype(np.float32) > 0
        np.logical_or.at(found, owners, np.broadcast_to(seen, (len(owners), found.shape[1])))
    return found


def prepare_cells(table: CaseTable, cells: Cells) -> CaseTable:
    """Return the table after the rules ``drop-site`` and ``refuse`` for missing cells.

    Raises:
        TableError: A cell is missing and refused, every site lacks a submission, or nobody has a value.
    """
    evaluated = table.evaluated
    whole: npt.NDArray[np.bool_] = np.all(evaluated, axis=0)
    if whole.all() or cells in ("worst-rank", "pairwise"):
        return table
    submission, site = np.argwhere(~evaluated)[0]
    first = f"submission {table.submissions[submission]} was not evaluated at site {table.sites[site]}"
    if cells == "refuse":
        raise TableError(
            f"{first} ({int((~evaluated).sum())} such cells); declare drop-site, worst-rank or pairwise "
            "for them"
        )
    if not whole.any():
        raise TableError(
            f"{first}, and every other site lacks a submission too, so that drop-site leaves none; "
            "declare worst-rank or pairwise"
        )
    return table.of_sites([name for name, keep in zip(table.sites, whole, strict=True) if keep])


def check_prepared(table: CaseTable, cells: Cells) -> None:
    """Check that a table whose resamples are to be ranked went through `prepare_cells`.

    Raises:
        TableError: It has missing cells that the rule would have dropped or refused.
    """
    if cells in ("drop-site", "refuse") and not table.evaluated.all():
        raise TableError(
            f"the table has missing cells and was not prepared for {cells}; call prepare() first"
        )
