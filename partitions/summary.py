"""What a partition looks like: cases and tumour volumes by institution, as a table and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from partitions.errors import DataError
from partitions.split import Split
from partitions.table import institution_order

_BAR = "█"
_COLOUR = "#33658a"
_HIDDEN_COLOUR = "#bbbbbb"


@dataclass(frozen=True)
class InstitutionSummary:
    """One institution.

    Attributes:
        name: Its id.
        train: Number of training cases.
        validate: Number of validation cases.
        test: Number of hidden test cases.
        volumes: Whole-tumour volumes in ml of all its cases, sorted; empty where they are not known.
    """

    name: str
    train: int
    validate: int
    test: int
    volumes: tuple[float, ...] = ()

    @property
    def cases(self) -> int:
        """All cases."""
        return self.train + self.validate + self.test

    def quantile(self, q: float) -> float:
        """Return a quantile of the tumour volumes in ml, NaN where they are not known."""
        return float(np.quantile(self.volumes, q)) if self.volumes else float("nan")


def summarise(split: Split, volumes: Mapping[str, float] | None = None) -> tuple[InstitutionSummary, ...]:
    """Return one summary for each institution, ``2`` before ``10``.

    Args:
        split: The partition with its parts chosen.
        volumes: Whole-tumour volumes in ml by case id.
    """
    known = volumes or {}
    summaries = []
    for name in sorted(split.institutions, key=institution_order):
        parts = split.institutions[name]
        cases = (*parts.train, *parts.validate, *parts.test)
        found = tuple(sorted(known[case] for case in cases if case in known))
        summaries.append(
            InstitutionSummary(name, len(parts.train), len(parts.validate), len(parts.test), found)
        )
    return tuple(summaries)


def bar(value: int, largest: int, width: int = 24) -> str:
    """Return a bar of text whose length is in proportion, at least one character for a positive value.

    Example:
        >>> bar(5, 10, width=4), bar(1, 1000, width=4)
        ('██', '█')
    """
    if value <= 0 or largest <= 0:
        return ""
    return _BAR * max(1, round(width * value / largest))


def plot_summary(summaries: Sequence[InstitutionSummary], path: Path, title: str) -> None:
    """Write a figure: cases by institution above, the distribution of tumour volumes below.

    The same summaries give the same bytes.

    Args:
        summaries: As `summarise` returns them.
        path: An SVG file (or another type that matplotlib writes).
        title: Stands above the figure.

    Raises:
        DataError: The file cannot be written, or its type is unknown to matplotlib.
    """
    import matplotlib
    from matplotlib.figure import Figure

    places = np.arange(len(summaries))
    names = [summary.name for summary in summaries]
    with matplotlib.rc_context({"svg.hashsalt": "partition", "svg.fonttype": "none"}):
        figure = Figure(figsize=(max(5.0, 0.32 * len(summaries) + 2.0), 4.6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        used = [summary.train + summary.validate for summary in summaries]
        above.bar(places, used, color=_COLOUR, label="train and validate")
        above.bar(places, [s.test for s in summaries], bottom=used, color=_HIDDEN_COLOUR, label="hidden test")
        above.set_ylabel("cases")
        above.yaxis.get_major_locator().set_params(integer=True)
        above.legend(frameon=False, fontsize="small")
        above.set_title(title)
        known = [(place, s.volumes) for place, s in zip(places, summaries, strict=True) if s.volumes]
        if known:
            below.boxplot(
                [list(volumes) for _, volumes in known], positions=[p for p, _ in known], widths=0.6
            )
            for place, volumes in known:
                below.plot([place] * len(volumes), volumes, ".", color=_COLOUR, alpha=0.5, markersize=4)
        below.set_ylabel("whole tumour (ml)")
        below.set_xlabel("institution")
        below.set_xticks(places, names)
        below.set_ylim(bottom=0)
        for axes in (above, below):
            axes.spines[["top", "right"]].set_visible(False)
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        try:
            figure.savefig(path, metadata=metadata)
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror}); choose another file") from error
        except ValueError as error:
            raise DataError(f"{path}: matplotlib writes no such file ({error}); name an .svg file") from error
