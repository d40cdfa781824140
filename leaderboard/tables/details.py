"""The tables beside a ranking: significance, sites left out, agreement of schemes, ledger, challengeR."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields

import numpy as np

from leaderboard.agreement import Agreement, SitesLeftOut
from leaderboard.cases import CaseTable
from leaderboard.challenger_csv import HEADER, challenger_rows
from leaderboard.ledger import SiteEntry, SubmissionEntry
from leaderboard.ranking.base import Better
from leaderboard.significance import Significance
from leaderboard.tables.csv_text import csv_text


def significance_csv(found: Significance) -> str:
    """Return a row for each ordered pair and metric: is ``better`` better than ``worse``?"""
    header = ("better", "worse", "metric", "p", "p_adjusted", "significant", "sites_won", "sites")
    return csv_text(header, _pairs(found))


def _pairs(found: Significance) -> Iterator[tuple[object, ...]]:
    better = found.better
    for a, name in enumerate(found.submissions):
        for b, other in enumerate(found.submissions):
            if a == b:
                continue
            for metric, label in enumerate(found.metrics):
                yield (
                    name,
                    other,
                    label,
                    float(found.p[metric, a, b]),
                    float(found.p_adjusted[metric, a, b]),
                    int(better[metric, a, b]),
                    int(found.wins_at_sites[metric, a, b]),
                    len(found.sites),
                )


def significance_map_csv(found: Significance, order: Sequence[str]) -> str:
    """Return S as a matrix: in how many (site, metric) the row's submission is better than the column's.

    Args:
        found: The tests.
        order: The submissions in the order of rows and columns, the best first say.
    """
    index = [found.submissions.index(name) for name in order]
    matrix = found.map_of_sites[np.ix_(index, index)]
    rows = ((name, *row.tolist(), int(row.sum())) for name, row in zip(order, matrix, strict=True))
    return csv_text(("better", *order, "sum"), rows)


def sites_left_out_csv(found: SitesLeftOut, order: Sequence[str]) -> str:
    """Return a row for each site, with the ranks that the submissions have without it."""
    index = [found.submissions.index(name) for name in order]
    rows = ((site, *ranks[index].tolist()) for site, ranks in zip(found.sites, found.ranks, strict=True))
    return csv_text(("site_left_out", *order), rows)


def agreement_csv(found: Agreement) -> str:
    """Return Kendall's tau between the schemes as a matrix."""
    rows = ((name, *row.tolist()) for name, row in zip(found.schemes, found.tau, strict=True))
    return csv_text(("scheme", *found.schemes), rows)


def submission_ledger_csv(entries: Sequence[SubmissionEntry]) -> str:
    """Return the ledger by submission; columns are the attributes of `SubmissionEntry`."""
    header = [field.name for field in fields(SubmissionEntry)]
    return csv_text(header, (astuple(entry) for entry in entries))


def site_ledger_csv(entries: Sequence[SiteEntry]) -> str:
    """Return the ledger by submission and site; columns are the attributes of `SiteEntry`."""
    return csv_text([field.name for field in fields(SiteEntry)], (astuple(entry) for entry in entries))


def challenger_csv(table: CaseTable, better: Better) -> str:
    """Return what challengeR reads of the metrics of one direction."""
    return csv_text(HEADER, challenger_rows(table, better))
