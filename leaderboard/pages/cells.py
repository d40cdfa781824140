"""Cells of the pages' tables: what is read, and the value that is sorted by."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

NONE = "–"


@dataclass(frozen=True)
class Column:
    """A column that can be sorted.

    Attributes:
        label: Its head.
        hint: What it means, in a sentence.
        down: Whether the first click sorts the largest first.
        text: Whether it is text; else numbers, right-aligned.
    """

    label: str
    hint: str
    down: bool = False
    text: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        text: What is read.
        value: What is sorted by; empty for what is not known, which comes last in both directions.
        picture: Drawn after the text.
        href: Page that the text leads to.
        shade: Class of a background, ``q0`` ... ``q8``, or ``crossed``.
    """

    text: str
    value: str
    picture: Markup | None = None
    href: str | None = None
    shade: str | None = None


def number_cell(value: float | None, form: str = ".4f") -> Cell:
    """Return a number; None and NaN are a dash.

    Example:
        >>> number_cell(0.5), number_cell(None)
        (Cell(text='0.5000', value='0.5', picture=None, href=None, shade=None), \
Cell(text='–', value='', picture=None, href=None, shade=None))
    """
    if value is None or math.isnan(value):
        return Cell(NONE, "")
    return Cell(format(value, form), repr(float(value)))


def span(low: float, high: float) -> str:
    """Return two ranks as one text.

    Example:
        >>> span(1, 3), span(2, 2), span(1.5, 2)
        ('1–3', '2', '1.5–2')
    """
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"


def duration_cell(seconds: float | None) -> Cell:
    """Return a span of time in the unit that suits it.

    Example:
        >>> duration_cell(7200.0).text, duration_cell(90.0).text, duration_cell(5.0).text
        ('2.0 h', '1.5 min', '5 s')
    """
    if seconds is None:
        return Cell(NONE, "")
    for name, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size * (2 if name == "d" else 1):
            return Cell(f"{seconds / size:.1f} {name}", repr(float(seconds)))
    return Cell(f"{seconds:.0f} s", repr(float(seconds)))


def bytes_cell(count: float | None) -> Cell:
    """Return a number of bytes in binary units.

    Example:
        >>> bytes_cell(1536.0).text, bytes_cell(12.0).text
        ('1.5 KiB', '12 B')
    """
    if count is None:
        return Cell(NONE, "")
    for name, power in (("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 2**power:
            return Cell(f"{count / 2**power:.1f} {name}", repr(float(count)))
    return Cell(f"{count:.0f} B", repr(float(count)))


def shade(value: float | None, low: float, high: float) -> str | None:
    """Return the class of a value's background, nine steps from low to high.

    Example:
        >>> shade(0.0, 0, 1), shade(1.0, 0, 1), shade(None, 0, 1)
        ('q0', 'q8', None)
    """
    if value is None or math.isnan(value):
        return None
    part = (value - low) / (high - low) if high > low else 1.0
    return f"q{min(max(int(part * 9), 0), 8)}"
