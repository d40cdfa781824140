"""Figures of ranks: the interval in a row of the board, and how stable the whole order is."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from leaderboard.pages.figures.svg import Scale, element, figure, number, row_label, x_axis
from leaderboard.ranked import Ranked
from leaderboard.tables.ranking import best_first

_ROW, _LEFT, _TOP = 20, 170, 8


def interval_bar(rank: float, low: float, high: float, most: int) -> Markup:
    """Return the small picture of a rank and its interval; the numbers stand beside it."""
    scale = Scale(1, max(most, 2), 6, 114)
    return element(
        "svg",
        element("line", x1=6, x2=114, y1=8, y2=8, class_="grid"),
        element("line", x1=scale(low), x2=scale(high), y1=8, y2=8, class_="span"),
        element("circle", cx=scale(rank), cy=8, r=4, class_="point"),
        viewBox="0 0 120 16",
        width=120,
        height=16,
        aria_hidden="true",
        class_="interval",
    )


def rank_stability(ranked: Ranked) -> Markup:
    """Return a row for each submission: how often it had which rank in the resamples, its rank on top.

    The area of a disc is the share of the resamples.
    """
    found, names = ranked.uncertainty, ranked.ranking.submissions
    count = len(names)
    width = _LEFT + max(260, min(26 * count, 900)) + 20
    bottom = _TOP + _ROW * count
    scale = Scale(0.5, count + 0.5, _LEFT, width - 20)
    largest = min(_ROW, (width - _LEFT - 20) / count) * 0.48
    step = max(1, count // 12)
    drawn = x_axis([float(n) for n in range(1, count + 1, step)], scale, _TOP, bottom, "rank")
    for row, index in enumerate(best_first(ranked)):
        y = _TOP + _ROW * (row + 0.5)
        drawn.append(row_label(names[index], _LEFT - 8, y + 4))
        drawn.append(
            element(
                "line",
                x1=scale(found.rank_low[index]),
                x2=scale(found.rank_high[index]),
                y1=y,
                y2=y,
                class_="span thin",
            )
        )
        ranks, times = np.unique(found.ranks[:, index], return_counts=True)
        for rank, share in zip(ranks.tolist(), (times / found.resamples).tolist(), strict=True):
            radius = max(largest * share**0.5, 0.8)
            tip = element("title", f"{names[index]}: rank {rank:g} in {share:.1%} of the resamples")
            drawn.append(element("circle", tip, cx=scale(rank), cy=y, r=radius, class_="blob"))
        x = scale(ranked.ranking.ranks[index])
        diamond = f"M{number(x)} {number(y - 5)} l5 5 -5 5 -5 -5 z"
        drawn.append(element("path", d=diamond, class_="rank"))
    said = (
        f"A row for each of {count} submissions, the best first; discs show how often it had which rank in "
        f"{found.resamples} resamples, a diamond its rank, a line its {found.level:.0%} interval."
    )
    return figure("stability", "Stability of the ranks", said, width, bottom + 38, *drawn)
