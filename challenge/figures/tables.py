"""The run's CSV tables as the figures need them: text cells, empty ones as NaN."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from challenge.figures.errors import FigureError

Row = dict[str, str]


def read_table(path: Path) -> list[Row]:
    """Return the rows of a CSV file; none when there is no such file (a run without rounds).

    Raises:
        OSError: The file cannot be read.
    """
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def number(row: Row, column: str) -> float:
    """Return a cell as a number; NaN where it is empty, absent or not finite.

    Raises:
        FigureError: The cell holds something else than a number.
    """
    text = row.get(column) or "nan"
    try:
        value = float(text)
    except ValueError as error:
        raise FigureError(
            f"column {column}: {text!r} is not a number; correct the table or run again"
        ) from error
    return value if math.isfinite(value) else math.nan
