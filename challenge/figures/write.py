"""All figures of a run, written into its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from challenge.figures.dice_per_institution import draw_dice_per_institution
from challenge.figures.learning_curves import draw_learning_curves
from challenge.figures.style import render_svg
from challenge.figures.tables import number, read_table
from challenge.figures.timeline import draw_timeline
from fl_core.durable import Disk


def write_figures(
    run_folder: Path,
    segments: Sequence[Mapping[str, Any]],
    outage_windows: Sequence[Mapping[str, Any]],
    disk: Disk,
    horizon_s: float | None = None,
) -> list[Path]:
    """Write ``figures/{learning_curves,timeline,dice_per_institution}.svg``.

    The tables come from ``rounds.csv``, ``sites.csv`` and ``cases.csv`` of the folder; what is missing
    there makes an empty picture, not an error. The same tables give the same bytes.

    Args:
        run_folder: The run.
        segments: What the sites did: ``{site, round, kind, start_s, end_s}``, see `draw_timeline`.
        outage_windows: When a site's network was down: ``{site, start_s, end_s}``.
        disk: Writes the files.
        horizon_s: Simulated seconds over which convergence is scored, drawn if given.

    Returns:
        The paths written.

    Raises:
        FigureError: A table has a cell that is not a number where one belongs.
        OSError: A table cannot be read or the disk refused.
    """
    rounds = read_table(run_folder / "rounds.csv")
    cases = read_table(run_folder / "cases.csv")
    sites = sorted({row["site"] for row in read_table(run_folder / "sites.csv")})
    times = [number(row, "round_time_s") for row in rounds]
    ends = np.cumsum([time for time in times if time > 0]).tolist()
    folder = run_folder / "figures"
    folder.mkdir(exist_ok=True)
    drawings = {
        "learning_curves.svg": lambda: draw_learning_curves(rounds, horizon_s),
        "timeline.svg": lambda: draw_timeline(segments, outage_windows, sites, ends, horizon_s),
        "dice_per_institution.svg": lambda: draw_dice_per_institution(cases),
    }
    paths = []
    for name, draw in drawings.items():
        disk.write(folder / name, render_svg(draw))
        paths.append(folder / name)
    return paths
