"""SVG elements as text, and what every figure shares: numbers, axes, a title for screen readers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

LINE_COLOURS = 6
"""Number of classes ``c0`` ... that the style sheet has for lines."""


def element(name: str, *inside: str, **attributes: object) -> Markup:
    """Return an element; attributes have ``_`` for ``-``, one at the end is dropped, None leaves one out.

    Example:
        >>> element("circle", cx=1.0, class_="dot", stroke_width=0.5)
        Markup('<circle cx="1" class="dot" stroke-width="0.5"/>')
        >>> element("text", "a < b", x=2)
        Markup('<text x="2">a &lt; b</text>')
    """
    parts = [Markup("<"), Markup(name)]
    for key, value in attributes.items():
        if value is not None:
            named = Markup(key.rstrip("_").replace("_", "-"))
            parts.append(Markup(' {}="{}"').format(named, number(value) if _is_number(value) else value))
    content = Markup("").join(escape(part) for part in inside)
    return Markup("").join(
        [*parts, Markup(">{}</{}>").format(content, Markup(name)) if content else Markup("/>")]
    )


def number(value: object) -> str:
    """Return a coordinate with at most two decimals.

    Example:
        >>> number(1.0), number(2.345), number(-0.001)
        ('1', '2.35', '0')
    """
    text = f"{float(str(value)):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def figure(identity: str, title: str, description: str, width: float, height: float, *inside: str) -> Markup:
    """Return a whole figure.

    Args:
        identity: Unique in the page.
        title: What a screen reader says first.
        description: What can be seen, in a sentence.
        width: Of the drawing, in pixels where there is room.
        height: Of the drawing.
        inside: Elements.
    """
    return element(
        "svg",
        element("title", title, id=f"{identity}-title"),
        element("desc", description, id=f"{identity}-desc"),
        *inside,
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=f"{identity}-title {identity}-desc",
        class_="figure",
    )


@dataclass(frozen=True)
class Scale:
    """The linear map from [low, high] to [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return where a value stands."""
        span = self.high - self.low or 1.0
        return float(self.start + (value - self.low) / span * (self.end - self.start))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers between two ends.

    Example:
        >>> ticks(0, 1), ticks(0, 47)
        ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 10.0, 20.0, 30.0, 40.0])
    """
    span = high - low
    if not span > 0:
        return [low]
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(place * step, 10) for place in range(first, last + 1)]


def x_axis(places: Sequence[float], scale: Scale, top: float, bottom: float, label: str) -> list[Markup]:
    """Return an axis along the bottom, with lines up to the top and its label in the middle."""
    drawn: list[Markup] = []
    for value in places:
        x = scale(value)
        drawn.append(element("line", x1=x, x2=x, y1=top, y2=bottom, class_="grid"))
        drawn.append(element("text", f"{value:g}", x=x, y=bottom + 14, text_anchor="middle", class_="tick"))
    middle = (scale(places[0]) + scale(places[-1])) / 2 if places else 0
    return [*drawn, element("text", label, x=middle, y=bottom + 30, text_anchor="middle", class_="label")]


def y_axis(places: Iterable[float], scale: Scale, left: float, right: float) -> list[Markup]:
    """Return an axis along the left, with lines to the right."""
    drawn: list[Markup] = []
    for value in places:
        y = scale(value)
        drawn.append(element("line", x1=left, x2=right, y1=y, y2=y, class_="grid"))
        drawn.append(element("text", f"{value:g}", x=left - 6, y=y + 4, text_anchor="end", class_="tick"))
    return drawn


def row_label(text: str, x: float, y: float, longest: int = 22) -> Markup:
    """Return a row's name left of x, its middle left out where it is long; the whole stands in a title."""
    short = text if len(text) <= longest else f"{text[: longest - 7]}…{text[-6:]}"
    inside = [short] if short == text else [element("title", text), short]
    return element("text", *inside, x=x, y=y, text_anchor="end", class_="tick")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
