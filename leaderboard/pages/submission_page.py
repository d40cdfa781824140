"""The page of a submission: its curves, its seeds, its cases and sites, what it cost, its records."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.ledger import SiteEntry
from leaderboard.pages.board_rows import BoardRow
from leaderboard.pages.cells import Cell, Column, bytes_cell, duration_cell, number_cell
from leaderboard.pages.figures.distributions import boxes, histogram, strip
from leaderboard.pages.figures.runs import curves, timeline
from leaderboard.pages.figures.svg import ticks
from leaderboard.pages.run_view import RunView, natural
from leaderboard.rank_files import RankedFiles

Pictures = Callable[[str, str, str], bytes | None]
"""Gives the slice of (submission, site, case) as PNG; None where there is none or it may not be shown."""

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_PICTURE_BYTES = 2 * 2**20
_WORST = 8
_HIGHEST_HD95 = 100.0  # mm; the axis ends there, penalties and what lies beyond stand in the last bar

SITE_COLUMNS = (
    Column("Site", "Where the cases are.", text=True),
    Column("Cases", "That were evaluated."),
    Column("Dice", "Mean over the cases and regions.", down=True),
    Column("Dice 5 %", "Quantile over the cases.", down=True),
    Column("HD95 mm", "Mean over the cases and regions."),
    Column("HD95 95 %", "Quantile over the cases."),
    Column("Penalised", "Share of the cases that failed."),
    Column("Simulated time", "Of the site, all rounds together."),
    Column("Traffic", "Bytes both ways."),
)


@dataclass(frozen=True)
class WorstCase:
    """A case with a low Dice; `picture` is the address of its slice, which is in the page itself."""

    site: str
    name: str
    dice: str
    hd95: str
    picture: str | None


def submission_values(
    found: RankedFiles,
    row: BoardRow,
    columns: Sequence[Column],
    runs: Sequence[RunView],
    pictures: Pictures | None,
    *,
    show_cases: bool,
) -> dict[str, Any]:
    """Return what the template of a submission's page is filled with, but for its records.

    Args:
        found: The ranking.
        row: Of the submission on the board.
        columns: Of the board.
        runs: Of the submission.
        pictures: Slices of cases.
        show_cases: Whether single cases may be named.
    """
    table, name = found.table, row.name
    index = table.submissions.index(name)
    dice, hd95 = (_mean_of_kind(table, index, kind) for kind in ("dice_", "hd95_"))
    listed = table.listed[index]
    kept = [entry for entry in found.sites if entry.submission == name]
    horizon = next((run.horizon_s for run in runs if run.horizon_s is not None), None)
    curve = [run for run in runs if run.scored]
    return {
        "facts": [
            (column.label, cell.text)
            for column, cell in zip(columns, row.cells, strict=True)
            if column.label != "Submission"
        ],
        "curves": curves(curve, horizon) if curve else None,
        "spread": _spread(runs),
        "cases": _over_cases(dice[listed], hd95[listed]),
        "boxes": _site_boxes(table, dice, listed),
        "columns": SITE_COLUMNS,
        "rows": [_site_row(entry) for entry in sorted(kept, key=lambda entry: natural(entry.site))],
        "worst": _worst(table, name, dice, hd95, pictures) if show_cases else [],
        "timelines": [
            (
                timeline(run, f"timeline-{place}"),
                f"Seed {run.seed}, in simulated time; hollow: nothing arrived.",
            )
            for place, run in enumerate(runs)
            if run.bars
        ],
    }


def _mean_of_kind(table: CaseTable, index: int, kind: str) -> npt.NDArray[np.float64]:
    columns = [place for place, metric in enumerate(table.metrics) if metric.startswith(kind)]
    if not columns:
        return np.full(len(table.cases), np.nan)
    return np.asarray(table.values[index][:, columns].mean(axis=1), np.float64)


def _spread(runs: Sequence[RunView]) -> list[tuple[Markup, str]]:
    """Return a figure of the seeds for Dice, and for convergence where there is any."""
    drawn = []
    for title, identity, values in (
        ("Mean Dice", "seeds-dice", [run.dice_mean for run in runs]),
        ("Convergence score", "seeds-convergence", [run.convergence_score for run in runs]),
    ):
        known = [value for value in values if value is not None]
        if known:
            rows = [(f"seed {run.seed}", value) for run, value in zip(runs, values, strict=True)]
            spread = f", standard deviation {np.std(known, ddof=1):.4f}" if len(known) > 1 else ""
            said = f"{title}: {len(known)} seeds, mean {np.mean(known):.4f}{spread}."
            highest = max(*known, 1e-9)
            top = next(
                (tick for tick in (*ticks(0, highest), *ticks(0, 2 * highest)) if tick >= highest), 1.0
            )
            drawn.append((strip(identity, title, title, rows, top), said))
    return drawn


def _over_cases(dice: npt.NDArray[np.float64], hd95: npt.NDArray[np.float64]) -> list[tuple[Markup, str]]:
    if not len(dice):
        return []
    far = int(np.count_nonzero(hd95 > _HIGHEST_HD95))
    return [
        (histogram("dice", "Dice", "Dice", dice, 0, 1), "Mean Dice of the regions, case by case."),
        (
            histogram("hd95", "HD95", "HD95 (mm)", np.minimum(hd95, _HIGHEST_HD95), 0, _HIGHEST_HD95),
            f"Mean HD95 of the regions; {far} cases beyond {_HIGHEST_HD95:g} mm stand in the last bar.",
        ),
    ]


def _site_boxes(
    table: CaseTable, dice: npt.NDArray[np.float64], listed: npt.NDArray[np.bool_]
) -> Markup | None:
    rows = []
    for place, site in enumerate(table.case_sites):
        cases = table.cases_of(place)
        if listed[cases].any():
            rows.append((site, dice[cases][listed[cases]]))
    rows.sort(key=lambda row: natural(row[0]))
    return boxes("boxes", "Dice", "Dice", rows, 0, 1) if rows else None


def _site_row(entry: SiteEntry) -> BoardRow:
    cells = (
        Cell(entry.site, entry.site),
        number_cell(float(entry.cases), ".0f"),
        number_cell(entry.dice_mean),
        number_cell(entry.dice_q05),
        number_cell(entry.hd95_mean, ".1f"),
        number_cell(entry.hd95_q95, ".1f"),
        number_cell(entry.penalised_share, ".1%"),
        duration_cell(entry.simulated_time_s),
        bytes_cell(entry.bytes),
    )
    return BoardRow(entry.site, "", cells)


def _worst(
    table: CaseTable,
    name: str,
    dice: npt.NDArray[np.float64],
    hd95: npt.NDArray[np.float64],
    pictures: Pictures | None,
) -> list[WorstCase]:
    """Return the cases with the lowest Dice, those without a value first."""
    listed = np.flatnonzero(table.listed[table.submissions.index(name)])
    order = listed[np.argsort(np.nan_to_num(dice[listed], nan=-1.0), kind="stable")][:_WORST]
    found = []
    for index in order.tolist():
        site, case = table.cases[index]
        picture = pictures(name, site, case) if pictures is not None else None
        found.append(
            WorstCase(
                site,
                case,
                number_cell(float(dice[index])).text,
                number_cell(float(hd95[index]), ".1f").text,
                None if picture is None else _address(picture, f"{name}, {site}, {case}"),
            )
        )
    return found


def _address(picture: bytes, where: str) -> str:
    if not picture.startswith(_PNG) or len(picture) > _MOST_PICTURE_BYTES:
        raise TableError(
            f"picture of {where}: is no PNG of at most {_MOST_PICTURE_BYTES >> 20} MiB; export it again"
        )
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
