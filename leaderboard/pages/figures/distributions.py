"""Figures of a submission's values: over the cases, at each site, and from seed to seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from leaderboard.pages.figures.svg import Scale, element, figure, row_label, ticks, x_axis, y_axis

Floats = npt.NDArray[np.float64]

_LEFT, _WIDTH, _ROW, _TOP = 150, 560, 24, 8
_POINTS = 40  # cases of a site that are drawn one by one


def histogram(identity: str, title: str, unit: str, values: Floats, low: float, high: float) -> Markup:
    """Return how many cases lie in each of 20 equal parts of [low, high]; NaN is left out."""
    there = values[~np.isnan(values)]
    counts, edges = np.histogram(there, bins=20, range=(low, high))
    left, right, top, bottom = 44, 460, 10, 170
    x, y = Scale(low, high, left, right), Scale(0, max(int(counts.max()), 1), bottom, top)
    whole = [place for place in ticks(0, max(int(counts.max()), 1), 4) if place == int(place)]
    drawn = [*y_axis(whole, y, left, right), *x_axis(ticks(low, high), x, bottom, bottom, unit)]
    for count, start, end in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if count:
            tip = element("title", f"{start:.3g} to {end:.3g}: {count} cases")
            wide = x(end) - x(start) - 1
            drawn.append(
                element(
                    "rect", tip, x=x(start), y=y(count), width=wide, height=bottom - y(count), class_="bar"
                )
            )
    middle = f"median {np.median(there):.3g}" if len(there) else "no values"
    said = f"{title} of {len(there)} cases, {middle}; {int(np.isnan(values).sum())} cases have none."
    return figure(identity, f"{title} over the cases", said, 480, bottom + 38, *drawn)


def boxes(
    identity: str, title: str, unit: str, rows: Sequence[tuple[str, Floats]], low: float, high: float
) -> Markup:
    """Return a row for each site: box from quarter to quarter, median, whiskers at 5 % and 95 %.

    Args:
        identity: Unique in the page.
        title: What the values are.
        unit: Label of the axis.
        rows: Name and values, NaN left out.
        low: Of the axis.
        high: Of the axis.
    """
    bottom = _TOP + _ROW * len(rows)
    scale = Scale(low, high, _LEFT, _WIDTH - 20)
    drawn = x_axis(ticks(low, high), scale, _TOP, bottom, unit)
    for row, (name, values) in enumerate(rows):
        y = _TOP + _ROW * (row + 0.5)
        drawn.append(row_label(name, _LEFT - 8, y + 4))
        drawn += _box(np.clip(values[~np.isnan(values)], low, high), y, scale)
    said = f"{title} at each of {len(rows)} sites; the numbers stand in the table of sites below."
    return figure(identity, f"{title} at each site", said, _WIDTH, bottom + 38, *drawn)


def strip(
    identity: str, title: str, unit: str, rows: Sequence[tuple[str, float | None]], high: float
) -> Markup:
    """Return a row with one dot for each seed."""
    bottom = _TOP + _ROW * len(rows)
    scale = Scale(0, high, _LEFT, _WIDTH - 20)
    drawn = x_axis(ticks(0, high), scale, _TOP, bottom, unit)
    known = [value for _, value in rows if value is not None]
    if len(known) > 1:
        mean = sum(known) / len(known)
        drawn.append(element("line", x1=scale(mean), x2=scale(mean), y1=_TOP, y2=bottom, class_="median"))
    for row, (name, value) in enumerate(rows):
        y = _TOP + _ROW * (row + 0.5)
        drawn.append(row_label(name, _LEFT - 8, y + 4))
        if value is not None:
            tip = element("title", f"{name}: {value:.4f}")
            drawn.append(element("circle", tip, cx=scale(value), cy=y, r=5, class_="point"))
    said = f"{title} of {len(rows)} seeds; a line marks their mean."
    return figure(identity, f"{title}, seed by seed", said, _WIDTH, bottom + 38, *drawn)


def _box(values: Floats, y: float, scale: Scale) -> list[Markup]:
    if not len(values):
        x = (scale.start + scale.end) / 2
        return [element("text", "no values", x=x, y=y + 4, text_anchor="middle", class_="tick")]
    low, first, median, third, high = (scale(q) for q in np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95)))
    drawn = [
        element("line", x1=low, x2=high, y1=y, y2=y, class_="whisker"),
        element("rect", x=first, y=y - 7, width=max(third - first, 1), height=14, class_="box"),
        element("line", x1=median, x2=median, y1=y - 7, y2=y + 7, class_="median"),
    ]
    if len(values) <= _POINTS:
        drawn += [element("circle", cx=scale(value), cy=y, r=2, class_="case") for value in values.tolist()]
    return drawn
