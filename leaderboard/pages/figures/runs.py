"""Figures of runs: how the score rose with simulated time, and what each site did when."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from leaderboard.pages.figures.svg import (
    LINE_COLOURS,
    Scale,
    element,
    figure,
    number,
    row_label,
    ticks,
    x_axis,
    y_axis,
)
from leaderboard.pages.run_view import RunView, time_unit


def curves(runs: Sequence[RunView], horizon_s: float | None) -> Markup:
    """Return the score of the global model over simulated time, a line for each seed."""
    points = [point for run in runs for point in run.scored]
    longest = max([point.time_s for point in points] + ([horizon_s] if horizon_s else []), default=1.0)
    unit, seconds = time_unit(longest)
    highest = max([point.score for point in points], default=1.0) or 1.0
    left, right, top, bottom = 52, 620, 12, 260
    x = Scale(0, longest / seconds, left, right)
    y = Scale(0, ticks(0, highest)[-1] if highest == ticks(0, highest)[-1] else highest * 1.05, bottom, top)
    drawn = [*y_axis(ticks(0, y.high), y, left, right)]
    drawn += x_axis(ticks(0, x.high), x, bottom, bottom, f"simulated time ({unit})")
    if horizon_s:
        place = x(horizon_s / seconds)
        drawn.append(element("line", x1=place, x2=place, y1=top, y2=bottom, class_="horizon"))
    for number_of, run in enumerate(runs):
        colour = f"c{number_of % LINE_COLOURS}"
        places = [(x(point.time_s / seconds), y(point.score)) for point in run.scored]
        path = " ".join(f"{number(a)},{number(b)}" for a, b in places)
        drawn.append(element("polyline", points=path, class_=f"line {colour}"))
        for (a, b), point in zip(places, run.scored, strict=True):
            tip = element("title", f"seed {run.seed}, round {point.round}: {point.score:.4f}")
            drawn.append(element("circle", tip, cx=a, cy=b, r=2.5, class_=f"dot {colour}"))
        drawn.append(
            element(
                "line",
                x1=left + 8,
                x2=left + 30,
                y1=top + 6 + 16 * number_of,
                y2=top + 6 + 16 * number_of,
                class_=f"line {colour}",
            )
        )
        drawn.append(
            element("text", f"seed {run.seed}", x=left + 36, y=top + 10 + 16 * number_of, class_="tick")
        )
    said = (
        f"Score of the global model over simulated time for {len(runs)} seeds; the highest is {highest:.4f}."
    )
    return figure("curves", "Learning curves", said, 640, bottom + 38, *drawn)


def timeline(run: RunView, identity: str) -> Markup:
    """Return a row for each site: when it was at work in each round; lost rounds are hollow."""
    longest = max([bar.start_s + bar.time_s for bar in run.bars], default=1.0) or 1.0
    unit, seconds = time_unit(longest)
    left, right, top, row = 120, 620, 8, 18
    bottom = top + row * len(run.sites)
    x = Scale(0, longest / seconds, left, right)
    drawn = x_axis(ticks(0, x.high), x, top, bottom, f"simulated time ({unit})")
    drawn += [row_label(site, left - 8, top + row * (n + 0.5) + 4, 16) for n, site in enumerate(run.sites)]
    for bar in run.bars:
        y = top + row * run.sites.index(bar.site) + 3
        start = x(bar.start_s / seconds)
        wide = max(x((bar.start_s + bar.time_s) / seconds) - start, 0.8)
        tip = element(
            "title", f"{bar.site}, round {bar.round}: {bar.status}, {bar.time_s / seconds:.3g} {unit}"
        )
        kind = "lost" if bar.lost else f"work{bar.round % 2}"
        drawn.append(element("rect", tip, x=start, y=y, width=wide, height=row - 6, class_=kind))
    lost = sum(bar.lost for bar in run.bars)
    said = (
        f"Seed {run.seed}: work of {len(run.sites)} sites over {run.rounds} rounds; shades alternate from "
        f"round to round; {lost} rounds of a site were lost and are hollow."
    )
    return figure(identity, f"Timeline of seed {run.seed}", said, 640, bottom + 38, *drawn)
