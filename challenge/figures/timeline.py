"""The timeline: what every site did when, in simulated time, and when its network was down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from challenge.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILION,
    YELLOW,
    in_natural_order,
    shortened,
    time_unit,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Kinds of work in the order of a round; a kind that is not among these is drawn in purple.
_KINDS = {
    "wait": ("waiting for the network", "#D9D9D9"),
    "download": ("download", SKY_BLUE),
    "validate": ("validation", YELLOW),
    "train": ("training", BLUE),
    "validate_local": ("validation after training", GREEN),
    "upload": ("upload", ORANGE),
}
_OTHER = PURPLE
_SYNONYMS = {"waiting": "wait", "validation": "validate", "training": "train"}


def draw_timeline(
    segments: Sequence[Mapping[str, Any]],
    outage_windows: Sequence[Mapping[str, Any]],
    sites: Sequence[str],
    round_ends_s: Sequence[float],
    horizon_s: float | None,
) -> Figure:
    """Draw a row per site: its work as bars, its outages hatched below them.

    Args:
        segments: ``{site, round, kind, start_s, end_s}``, simulated seconds; kind one of ``wait``,
            ``download``, ``validate``, ``train``, ``upload``.
        outage_windows: ``{site, start_s, end_s}``; an end may be infinite.
        sites: Those that get a row even when they have no segment.
        round_ends_s: Simulated times at which rounds ended, drawn as thin lines.
        horizon_s: Drawn when it lies within the picture.
    """
    from matplotlib.figure import Figure

    names = in_natural_order({*sites, *(str(segment["site"]) for segment in segments)})
    end = max([*round_ends_s, *(float(segment["end_s"]) for segment in segments)], default=0.0) or 1.0
    unit, seconds = time_unit(end)
    figure = Figure(figsize=(10.0, 1.7 + 0.24 * max(len(names), 4)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(f"What each site did when ({len(names)} site{'' if len(names) == 1 else 's'})")
    axes.set_xlabel(f"simulated time ({unit})")
    axes.set_ylabel("site")
    axes.set_xlim(0.0, end / seconds * 1.01)
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [shortened(name) for name in names], fontsize=9)
    axes.grid(visible=False)
    rows = {name: row for row, name in enumerate(names)}
    _draw_rounds(axes, round_ends_s, seconds)
    _draw_outages(axes, outage_windows, rows, end, seconds)
    _draw_segments(axes, segments, rows, seconds)
    if horizon_s is not None and horizon_s <= end:
        axes.axvline(horizon_s / seconds, color=VERMILION, linestyle=(0, (4, 2)), label="horizon")
    if not segments:
        axes.text(0.5, 0.5, "no site did anything", transform=axes.transAxes, ha="center", color=GREY)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    return figure


def _draw_rounds(axes: Axes, ends_s: Sequence[float], seconds: float) -> None:
    for number, end in enumerate(sorted(set(ends_s))):
        axes.axvline(
            end / seconds,
            color="#B0B0B0",
            linewidth=0.7,
            zorder=0.5,
            label="end of a round" if number == 0 else None,
        )


def _draw_outages(
    axes: Axes, windows: Sequence[Mapping[str, Any]], rows: Mapping[str, int], end: float, seconds: float
) -> None:
    labelled = False
    for name, spans in _spans(windows, "site", end).items():
        if name in rows:
            axes.broken_barh(
                [(start / seconds, length / seconds) for start, length in spans],
                (rows[name] - 0.46, 0.92),
                facecolor="#FFFFFF",
                edgecolor="#555555",
                linewidth=0.0,
                hatch="////",
                zorder=1,
                label=None if labelled else "network down",
            )
            labelled = True


def _draw_segments(
    axes: Axes, segments: Sequence[Mapping[str, Any]], rows: Mapping[str, int], seconds: float
) -> None:
    by_kind: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for segment in segments:
        kind = str(segment["kind"])
        by_kind[_SYNONYMS.get(kind, kind)].append(segment)
    others = sorted(by_kind.keys() - _KINDS.keys())
    for kind in [*(kind for kind in _KINDS if kind in by_kind), *others]:
        label, colour = _KINDS.get(kind, (shortened(kind), _OTHER))
        for number, (name, spans) in enumerate(_spans(by_kind[kind], "site", float("inf")).items()):
            axes.broken_barh(
                [(start / seconds, length / seconds) for start, length in spans],
                (rows[name] - 0.27, 0.54),
                facecolor=colour,
                linewidth=0.0,
                zorder=2,
                label=label if number == 0 else None,
            )


def _spans(items: Sequence[Mapping[str, Any]], key: str, end: float) -> dict[str, list[tuple[float, float]]]:
    """Return (start, length) in seconds by the value of `key`, in name order, cut at `end`."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for item in items:
        start, stop = float(item["start_s"]), min(float(item["end_s"]), end)
        if stop > start:
            found[str(item[key])].append((start, stop - start))
    return {name: sorted(found[name]) for name in in_natural_order(found)}
