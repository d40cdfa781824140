"""The table of a ranking: a row for each submission, the best first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from leaderboard.cases import CaseTable
from leaderboard.ranked import Ranked
from leaderboard.tables.csv_text import csv_text
from leaderboard.tied_groups import group_letters

HEADER = (
    "submission",
    "score",
    "rank",
    "rank_low",
    "rank_high",
    "p_first",
    "tied_group",
    "rank_possible_low",
    "rank_possible_high",
    "rank_site_out_low",
    "rank_site_out_high",
    "penalised_share",
    "kendall_tau",
    "kendall_tau_low",
    "kendall_tau_high",
)
"""Columns; the tau is of the whole order and the same in every row."""

Row = tuple[object, ...]


def ranking_rows(ranked: Ranked, table: CaseTable) -> Iterator[Row]:
    """Yield the rows of `HEADER`, by rank and then by name.

    Args:
        ranked: Of the submissions of `table`.
        table: As it was read; the penalised share is that of all its cases.
    """
    found, letters = ranked.uncertainty, group_letters(ranked.groups)
    shares = penalised_shares(table)
    left_out = ranked.sites_left_out
    for index in best_first(ranked):
        name = ranked.ranking.submissions[index]
        own = None if left_out is None else left_out.ranks[:, index]
        yield (
            name,
            float(ranked.ranking.scores[index]),
            float(ranked.ranking.ranks[index]),
            float(found.rank_low[index]),
            float(found.rank_high[index]),
            float(found.p_first[index]),
            letters[name],
            None if ranked.bounds is None else float(ranked.bounds.best[index]),
            None if ranked.bounds is None else float(ranked.bounds.worst[index]),
            None if own is None else float(own.min()),
            None if own is None else float(own.max()),
            float(shares[index]),
            found.tau,
            found.tau_low,
            found.tau_high,
        )


def ranking_csv(ranked: Ranked, table: CaseTable) -> str:
    """Return the table as CSV."""
    return csv_text(HEADER, ranking_rows(ranked, table))


def schemes_csv(ranked: dict[str, Ranked], table: CaseTable) -> str:
    """Return the tables of several schemes as one CSV with the scheme as first column."""
    rows = ((name, *row) for name, own in ranked.items() for row in ranking_rows(own, table))
    return csv_text(("scheme", *HEADER), rows)


def best_first(ranked: Ranked) -> npt.NDArray[np.intp]:
    """Return the submissions' numbers by rank and then by name."""
    names = np.array(ranked.ranking.submissions)
    return np.lexsort((names, ranked.ranking.ranks))


def penalised_shares(table: CaseTable) -> npt.NDArray[np.float64]:
    """Return the share of each submission's cases with a status other than ``ok``; NaN without cases."""
    failed = np.where(table.listed, table.penalised, 0.0).sum(axis=1)
    cases = table.listed.sum(axis=1).astype(np.float64)
    for summary in table.summaries:
        for name, share in zip(summary.submissions, summary.penalised, strict=True):
            failed[table.submissions.index(name)] += share * summary.cases
            cases[table.submissions.index(name)] += summary.cases
    shares = np.full(len(cases), np.nan)
    np.divide(failed, cases, out=shares, where=cases > 0)
    return shares
