"""Dice of the hidden test cases per institution: every case a dot, the box over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from challenge.figures.style import GREY, REGIONS, VERMILION, in_natural_order, shortened
from challenge.figures.tables import Row, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEAST_FOR_A_BOX = 5


def draw_dice_per_institution(cases: list[Row]) -> Figure:
    """Draw a panel per region, a row per institution.

    A box is the quartiles, its whiskers the farthest cases within 1.5 interquartile ranges (Tukey); fewer
    than five cases get their median only. A case that failed (status other than ``ok``) is a red cross.

    Args:
        cases: Rows of ``cases.csv``; empty cells are left out.
    """
    from matplotlib.figure import Figure

    sites = in_natural_order({row["site"] for row in cases})
    figure = Figure(figsize=(10.0, 2.0 + 0.26 * max(len(sites), 4)), layout="constrained")
    figure.suptitle(
        f"Dice of the best model on hidden test cases ({len(cases)} cases, {len(sites)} institutions)",
        x=0.01,
        ha="left",
        fontsize=12,
    )
    first: Axes | None = None
    counts = {site: sum(row["site"] == site for row in cases) for site in sites}
    for panel, (region, (name, colour)) in enumerate(REGIONS.items(), start=1):
        axes = figure.add_subplot(1, len(REGIONS), panel, sharey=first)
        first = first or axes
        axes.set_title(name, fontsize=10, color=colour)
        axes.set_xlabel("Dice")
        axes.set_xlim(-0.02, 1.02)
        axes.tick_params(axis="y", labelleft=panel == 1)
        _draw_region(axes, cases, sites, region, colour)
    assert first is not None  # REGIONS is not empty
    first.set_ylabel("institution (test cases)")
    first.set_yticks(range(len(sites)), [f"{shortened(site)} ({counts[site]})" for site in sites], fontsize=9)
    first.set_ylim(max(len(sites), 1) - 0.4, -0.6)
    if any(row.get("status", "ok") != "ok" for row in cases):
        handles, labels = first.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", fontsize=9)
    return figure


def _draw_region(axes: Axes, cases: list[Row], sites: list[str], region: str, colour: str) -> None:
    column = f"dice_{region}"
    drawn = 0
    failed: list[tuple[float, float]] = []
    for place, site in enumerate(sites):
        own = [row for row in cases if row["site"] == site and np.isfinite(number(row, column))]
        values = np.array([number(row, column) for row in own], dtype=np.float64)
        # Each row's dots are spread by its own generator, so that one site does not move another's.
        offsets = np.random.default_rng([place, values.size]).uniform(-0.25, 0.25, values.size)
        ok = np.array([row.get("status", "ok") == "ok" for row in own], dtype=bool)
        failed += [(values[at], place + offsets[at]) for at in np.flatnonzero(~ok)]
        axes.plot(
            values[ok],
            place + offsets[ok],
            linestyle="none",
            marker="o",
            markersize=3,
            alpha=0.6,
            color=colour,
            mew=0,
        )
        _draw_summary(axes, values, place)
        drawn += values.size
    if failed:
        axes.plot(
            [value for value, _ in failed],
            [height for _, height in failed],
            linestyle="none",
            marker="x",
            markersize=5,
            color=VERMILION,
            label="failed case (scored 0)",
        )
    if not drawn:
        axes.text(0.5, 0.5, "no test cases", transform=axes.transAxes, ha="center", va="center", color=GREY)


def _draw_summary(axes: Axes, values: NDArray[np.float64], place: int) -> None:
    if values.size >= _LEAST_FOR_A_BOX:
        line = {"color": "#333333", "linewidth": 1.0}
        axes.boxplot(
            [values],
            positions=[place],
            orientation="horizontal",
            widths=0.62,
            showfliers=False,
            manage_ticks=False,
            boxprops=line,
            whiskerprops=line,
            capprops=line,
            medianprops={"color": "#000000", "linewidth": 1.8},
        )
    elif values.size:
        median = float(np.median(values))
        axes.plot([median, median], [place - 0.31, place + 0.31], color="#000000", linewidth=1.8)
