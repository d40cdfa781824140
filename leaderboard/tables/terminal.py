"""The table of a ranking for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from leaderboard.cases import CaseTable
from leaderboard.ranked import Ranked
from leaderboard.tables.ranking import best_first, penalised_shares
from leaderboard.tied_groups import group_letters

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


def terminal_table(ranked: Ranked, table: CaseTable) -> Table:
    """Return the ranking as a rich table: ranks with intervals, and what else could have been.

    Args:
        ranked: Of the submissions of `table`.
        table: As it was read.
    """
    from rich import box
    from rich.table import Table

    found, letters, shares = ranked.uncertainty, group_letters(ranked.groups), penalised_shares(table)
    missing = not table.evaluated.all()
    view = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=ranked.ranking.scheme, title_justify="left")
    columns = ["rank", f"{found.level:.0%}", "submission", "score", "P(first)", "tied", "site out"]
    columns += ["possible", "penalised"] if missing else ["penalised"]
    rows: list[list[str]] = []
    for index in best_first(ranked):
        name = ranked.ranking.submissions[index]
        out = None if ranked.sites_left_out is None else ranked.sites_left_out.ranks[:, index]
        cells = [
            f"{ranked.ranking.ranks[index]:g}",
            _span(found.rank_low[index], found.rank_high[index]),
            plain(name),
            f"{ranked.ranking.scores[index]:.4f}",
            f"{found.p_first[index]:.3f}",
            letters[name],
            "-" if out is None else _span(out.min(), out.max()),
        ]
        if missing:
            bounds = ranked.bounds
            cells.append("?" if bounds is None else _span(bounds.best[index], bounds.worst[index]))
        cells.append("-" if np.isnan(shares[index]) else f"{shares[index]:.1%}")
        rows.append(cells)
    for column, *entries in zip(columns, *rows, strict=True):
        named = column == "submission"  # alone gives way where the terminal is narrow
        least = min(8, len(column)) if named else max(len(entry) for entry in (column, *entries))
        side: Literal["left", "right"] = "left" if named or column == "tied" else "right"
        view.add_column(column, justify=side, min_width=least, no_wrap=True)
    for row in rows:
        view.add_row(*(_text(cell) for cell in row))
    return view


def terminal_lines(ranked: Ranked, table: CaseTable) -> list[str]:
    """Return what stands below the table: the whole order's certainty, and what the columns mean."""
    found = ranked.uncertainty
    lines = [
        f"{len(table.submissions)} submissions, {len(ranked.sites)} sites; "
        f"{ranked.ranking.better} scores are better; rules: {ranked.rules}",
        f"Kendall's tau of the whole order with {found.resamples} resamples: {found.tau:.3f} "
        f"[{found.tau_low:.3f}, {found.tau_high:.3f}]",
        "submissions with a common letter under `tied` cannot be told apart",
    ]
    if ranked.dropped_sites:
        names = ", ".join(plain(site) for site in ranked.dropped_sites)
        lines.append(f"sites that do not count, since a submission was not evaluated there: {names}")
    return lines


def plain(text: str) -> str:
    r"""Return text from a file such that a terminal only shows it: control characters become ``?``.

    Example:
        >>> plain("a\x1b[2Jb")
        'a?[2Jb'
    """
    return "".join(character if character.isprintable() else "?" for character in text)


def _text(cell: str) -> Text:
    from rich.text import Text

    return Text(cell)  # not markup: a submission may be called [red]


def _span(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"
