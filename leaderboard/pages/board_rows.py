"""The rows of the board: a submission each, the best first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from leaderboard.ledger import SubmissionEntry
from leaderboard.pages.cells import Cell, Column, bytes_cell, duration_cell, number_cell, span
from leaderboard.pages.figures.ranks import interval_bar
from leaderboard.rank_files import RankedFiles
from leaderboard.tables.ranking import best_first
from leaderboard.tied_groups import group_letters


@dataclass(frozen=True)
class BoardRow:
    """A submission on the board.

    Attributes:
        name: The submission.
        letters: Of its tied groups.
        cells: One for each of the columns.
    """

    name: str
    letters: str
    cells: tuple[Cell, ...]


def board_columns(found: RankedFiles) -> tuple[Column, ...]:
    """Return the columns of the board; those that nobody has a value in are left out by `board_rows`."""
    level = f"{found.ranked.uncertainty.level:.0%}"
    better = found.ranked.ranking.better
    return (
        Column("Rank", "By the score; equal scores share a rank."),
        Column("Submission", "Leads to its page.", text=True),
        Column("Interval", f"Ranks that {level} of the resamples of sites and cases lie within."),
        Column("Score", f"As the scheme defines it; {better} is better.", down=better == "higher"),
        Column("P(first)", "Share of the resamples in which it is first.", down=True),
        Column("Tied", "Submissions with a common letter cannot be told apart.", text=True),
        Column("Site out", "Ranks when each site in turn is left out."),
        Column("Possible", "Best and worst rank over all that missing cells might have been."),
        Column("Dice", "Mean over the cases and regions.", down=True),
        Column("Dice 5 %", "Quantile over the cases: one case in twenty is worse.", down=True),
        Column("HD95 mm", "95 % Hausdorff distance, mean over the cases and regions."),
        Column("Worst site", "Site with the lowest mean Dice.", down=True),
        Column("Penalised", "Share of the cases that failed and have penalty values."),
        Column("Convergence", "Area under the learning curve up to the horizon.", down=True),
        Column("Simulated time", "Of the whole federation."),
        Column("Traffic", "Bytes of all sites, both ways."),
        Column("Wall time", "That a run took on the organizer's machine."),
        Column("Memory", "Largest resident memory of any run."),
    )


def board_rows(
    found: RankedFiles, hrefs: Mapping[str, str]
) -> tuple[tuple[Column, ...], tuple[BoardRow, ...]]:
    """Return the columns and rows of the board, without the columns in which nobody has a value.

    Args:
        found: The ranking.
        hrefs: Page of each submission that has one.
    """
    columns = board_columns(found)
    letters = group_letters(found.ranked.groups)
    ledger = {entry.submission: entry for entry in found.submissions}
    names = found.ranked.ranking.submissions
    rows = []
    for index in best_first(found.ranked):
        name = names[index]
        cells = (*_certainty(found, int(index), letters, hrefs), *_costs(ledger[name]))
        rows.append(BoardRow(name, letters[name], cells))
    used = [place for place in range(len(columns)) if any(row.cells[place].value for row in rows)]
    return (
        tuple(columns[place] for place in used),
        tuple(BoardRow(row.name, row.letters, tuple(row.cells[place] for place in used)) for row in rows),
    )


def _certainty(
    found: RankedFiles, index: int, letters: Mapping[str, str], hrefs: Mapping[str, str]
) -> tuple[Cell, ...]:
    ranked, doubt = found.ranked, found.ranked.uncertainty
    name = ranked.ranking.submissions[index]
    rank, score = float(ranked.ranking.ranks[index]), float(ranked.ranking.scores[index])
    low, high = float(doubt.rank_low[index]), float(doubt.rank_high[index])
    bar = interval_bar(rank, low, high, len(letters))
    nothing = Cell("–", "")
    out, possible = nothing, nothing
    if ranked.sites_left_out is not None:
        own = ranked.sites_left_out.ranks[:, index]
        out = Cell(span(float(own.min()), float(own.max())), repr(float(own.mean())))
    if not found.table.evaluated.all():
        bounds = ranked.bounds
        possible = Cell("?", "0") if bounds is None else _possible(bounds.best[index], bounds.worst[index])
    return (
        Cell(f"{rank:g}", repr(rank)),
        Cell(name, name, href=hrefs.get(name)),
        Cell(span(low, high), repr((low + high) / 2), picture=bar),
        number_cell(score),
        number_cell(float(doubt.p_first[index]), ".3f"),
        Cell(letters[name], letters[name]),
        out,
        possible,
    )


def _possible(best: np.float64, worst: np.float64) -> Cell:
    return Cell(span(float(best), float(worst)), repr(float(best + worst) / 2))


def _costs(entry: SubmissionEntry) -> tuple[Cell, ...]:
    worst = number_cell(entry.worst_site_dice, ".3f")
    if entry.worst_site is not None:
        worst = Cell(f"{worst.text} {entry.worst_site}", worst.value)
    return (
        number_cell(entry.dice_mean, ".3f"),
        number_cell(entry.dice_q05, ".3f"),
        number_cell(entry.hd95_mean, ".1f"),
        worst,
        number_cell(entry.penalised_share, ".1%"),
        number_cell(entry.convergence_score, ".4f"),
        duration_cell(entry.simulated_time_s),
        bytes_cell(entry.bytes),
        duration_cell(entry.wall_s),
        bytes_cell(entry.peak_memory_bytes),
    )
