"""Rows as CSV: the same values give the same bytes."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""Return a CSV with lines that end in LF.

    Example:
        >>> csv_text(["name", "x"], [["a, b", 1.5], ["c", None], ["d", 2.0]])
        'name,x\n"a, b",1.5\nc,\nd,2\n'
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue()


def cell(value: object) -> str:
    """Return a value as it stands in a CSV: nothing for None and NaN, whole numbers without a point.

    A float is written such that reading it gives the same float.
    """
    if value is None:
        return ""
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(float(value))
    return str(value)
