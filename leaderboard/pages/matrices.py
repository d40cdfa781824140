"""Matrices as tables: shaded, with the numbers in them, and crosses where there is nothing."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboard.agreement import Agreement
from leaderboard.pages.cells import Cell, shade
from leaderboard.rank_files import RankedFiles
from leaderboard.ranked import Ranked
from leaderboard.tables.ranking import best_first


@dataclass(frozen=True)
class Matrix:
    """A table with a head for each row and column.

    Attributes:
        caption: What it shows.
        corner: What rows and columns are.
        columns: Heads.
        rows: Head and cells.
    """

    caption: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


CROSSED = Cell("✕", "", shade="crossed")


def order_of(ranked: Ranked) -> list[str]:
    """Return the submissions, the best first."""
    return [ranked.ranking.submissions[index] for index in best_first(ranked)]


def heat_map(found: RankedFiles) -> Matrix:
    """Return the mean Dice of each submission at each site; cells that were not evaluated are crossed out."""
    order = order_of(found.ranked)
    entries = {(entry.submission, entry.site): entry for entry in found.sites}
    known = [entry.dice_mean for entry in found.sites if entry.dice_mean is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    rows = []
    for name in order:
        cells = []
        for site in found.table.sites:
            entry = entries.get((name, site))
            if entry is None:
                cells.append(CROSSED)
            elif entry.dice_mean is None:
                cells.append(Cell("·", "", shade="held"))
            else:
                text = f"{entry.dice_mean:.2f}"
                cells.append(Cell(text, text, shade=shade(entry.dice_mean, low, high)))
        rows.append((name, tuple(cells)))
    dropped = set(found.ranked.dropped_sites)
    heads = tuple(f"{site} (not counted)" if site in dropped else site for site in found.table.sites)
    return Matrix("Mean Dice of each submission at each site", "submission / site", heads, tuple(rows))


def significance_map(found: RankedFiles) -> Matrix:
    """Return in how many (site, metric) the row's submission is significantly better than the column's."""
    tests, order = found.significance, order_of(found.ranked)
    index = [tests.submissions.index(name) for name in order]
    most = len(tests.sites) * len(tests.metrics)
    counts, better = tests.map_of_sites, tests.better.sum(axis=0)
    rows = []
    for place, own in zip(order, index, strict=True):
        cells = []
        for other in index:
            count = int(counts[own, other])
            note = "*" if better[own, other] else ""
            text = "" if own == other else f"{count}{note}"
            cells.append(Cell(text, text, shade=_won(count, most) if text else "diagonal"))
        rows.append((place, tuple(cells)))
    caption = (
        f"In how many of {most} pairs of site and metric the row is significantly better than the column; "
        "* better over the cases of all sites by a metric at least"
    )
    return Matrix(caption, "better / worse", tuple(order), tuple(rows))


def _won(count: int, most: int) -> str | None:
    return shade(count, 0, max(most, 1)) if count else "zero"


def agreement_matrix(found: Agreement) -> Matrix:
    """Return Kendall's tau between the orders of each two schemes."""
    rows = tuple(
        (name, tuple(Cell(f"{tau:.2f}", repr(tau), shade=shade(tau, -1, 1)) for tau in row.tolist()))
        for name, row in zip(found.schemes, found.tau, strict=True)
    )
    return Matrix("Kendall's tau between the orders of the schemes", "scheme", found.schemes, rows)


def schemes_matrix(found: RankedFiles) -> Matrix:
    """Return the rank of each submission by each scheme."""
    schemes = {found.ranked.ranking.scheme: found.ranked, **found.others}
    rows = []
    for name in order_of(found.ranked):
        ranks = [float(own.ranking.ranks[own.ranking.submissions.index(name)]) for own in schemes.values()]
        rows.append((name, tuple(_moved(rank, ranks[0]) for rank in ranks)))
    caption = "Ranks by each scheme; those that differ from the board's are marked"
    return Matrix(caption, "submission / scheme", tuple(schemes), tuple(rows))


def site_out_matrix(ranked: Ranked) -> Matrix | None:
    """Return the ranks without each site in turn; None where there is one site only."""
    out, order = ranked.sites_left_out, order_of(ranked)
    if out is None:
        return None
    rows = []
    for name in order:
        index = out.submissions.index(name)
        point = float(ranked.ranking.ranks[index])
        cells = [_moved(float(rank), point) for rank in out.ranks[:, index]]
        rows.append((name, (Cell(f"{point:g}", repr(point)), *cells)))
    return Matrix(
        "Ranks when each site in turn is left out; those that change are marked",
        "submission / site left out",
        ("none", *out.sites),
        tuple(rows),
    )


def _moved(rank: float, point: float) -> Cell:
    if rank == point:
        return Cell(f"{rank:g}", repr(rank))
    return Cell(f"{rank:g} {'▲' if rank < point else '▼'}", repr(rank), shade="moved")
