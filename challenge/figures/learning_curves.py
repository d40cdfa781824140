"""Learning curves: Dice per region, the score and its best so far, over simulated time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from challenge.figures.style import BLACK, GREY, REGIONS, VERMILION, time_unit
from challenge.figures.tables import Row, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_FARTHEST_HORIZON = 3.0  # as a multiple of the simulated time of all rounds


def draw_learning_curves(rounds: list[Row], horizon_s: float | None) -> Figure:
    """Draw what ``rounds.csv`` holds as steps: a model's score holds from the start of its round.

    The grey area under the best score, up to the horizon, is the convergence score times the horizon.

    Args:
        rounds: Rows of ``rounds.csv``, in order; empty cells are left out.
        horizon_s: Simulated seconds over which convergence is scored, if known.
    """
    from matplotlib.figure import Figure

    starts = _starts([number(row, "round_time_s") for row in rounds])
    trained_s = max(starts, default=0.0) or 1.0
    end = trained_s * 1.08
    if horizon_s is not None and horizon_s <= _FARTHEST_HORIZON * trained_s:
        end = max(trained_s, horizon_s)
    unit, seconds = time_unit(end)
    figure = Figure(figsize=(8.0, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(_title(rounds))
    axes.set_xlabel(f"simulated time ({unit})")
    axes.set_ylabel("score on the validation cases")
    axes.set_xlim(0.0, end / seconds * 1.02)
    axes.set_ylim(0.0, 1.02)
    times = np.array(starts, dtype=np.float64) / seconds
    score = _column(rounds, "round_score")
    _draw_best(axes, times, _column(rounds, "best_score"), (horizon_s or end) / seconds)
    _draw_steps(axes, times, score, BLACK, "score of the round", 2.0)
    for region, (name, colour) in REGIONS.items():
        _draw_steps(axes, times, _column(rounds, f"dice_{region}"), colour, f"Dice, {name}", 1.3)
    _mark_best(axes, times, score)
    if horizon_s:
        # One that lies far beyond the last round would squeeze the curves; the legend names it then.
        axes.axvline(
            horizon_s / seconds, color=VERMILION, linestyle=(0, (4, 2)), label=_horizon_label(horizon_s)
        )
    if not np.isfinite(score).any():
        axes.text(0.5, 0.5, "no round was scored", transform=axes.transAxes, ha="center", color=GREY)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _horizon_label(horizon_s: float) -> str:
    unit, seconds = time_unit(horizon_s)
    return f"horizon ({horizon_s / seconds:.4g} {unit})"


def _starts(round_times: list[float]) -> list[float]:
    """Return when each round started: the sum of the times of the rounds before it."""
    starts, now = [], 0.0
    for time in round_times:
        starts.append(now)
        now += 0.0 if np.isnan(time) else time
    return starts


def _column(rounds: list[Row], name: str) -> NDArray[np.float64]:
    return np.array([number(row, name) for row in rounds], dtype=np.float64)


def _title(rounds: list[Row]) -> str:
    trained = max(len(rounds) - 1, 0)
    title = f"Learning curves, {trained} round{'' if trained == 1 else 's'}"
    scores = [number(row, "convergence_score") for row in rounds]
    known = [score for score in scores if np.isfinite(score)]
    return f"{title}: convergence score {known[-1]:.4f}" if known else title


def _draw_steps(
    axes: Axes,
    times: NDArray[np.float64],
    values: NDArray[np.float64],
    colour: str,
    label: str,
    width: float,
) -> None:
    """Draw known values as steps with a dot each; the last one is not carried on by the line."""
    known = np.isfinite(values)
    if known.any():
        axes.plot(
            times[known],
            values[known],
            drawstyle="steps-post",
            color=colour,
            linewidth=width,
            marker="o",
            markersize=3.5 if known.sum() <= 60 else 1.5,
            label=label,
        )


def _draw_best(axes: Axes, times: NDArray[np.float64], best: NDArray[np.float64], until: float) -> None:
    known = np.isfinite(best) & (times <= until)
    if not known.any():
        return
    at, value = np.append(times[known], until), np.append(best[known], best[known][-1])
    axes.fill_between(at, 0.0, value, step="post", color="#EDEDED", linewidth=0.0, label="best score so far")


def _mark_best(axes: Axes, times: NDArray[np.float64], score: NDArray[np.float64]) -> None:
    """Put a star on the first of the highest scores: only a strict improvement replaces the best."""
    if not np.isfinite(score).any():
        return
    where = int(np.nanargmax(score))
    axes.plot(
        [times[where]],
        [score[where]],
        linestyle="none",
        marker="*",
        markersize=14,
        color=VERMILION,
        markeredgecolor="white",
        label=f"best: {score[where]:.4f} (round {where})",
    )
