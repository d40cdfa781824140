"""How every figure looks, and its bytes: the same drawing is the same file."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito (2008), distinguishable with every common form of colour blindness.
BLACK = "#000000"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#8C8C8C"

REGIONS = {
    "wt": ("whole tumour (WT)", BLUE),
    "tc": ("tumour core (TC)", ORANGE),
    "et": ("enhancing tumour (ET)", GREEN),
}

_SETTINGS = {
    "svg.hashsalt": "figure/1",
    "svg.fonttype": "path",
    "font.family": ["DejaVu Sans"],
    "font.size": 10.0,
    "axes.titlesize": 12.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E0E0E0",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
}


def render_svg(draw: Callable[[], Figure]) -> bytes:
    """Call `draw` under this module's settings and return its figure as SVG.

    The settings of the user (a ``matplotlibrc``) have no influence, the ids in the file come from a fixed
    salt and no date is written, so equal drawings give equal bytes with one version of matplotlib.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with matplotlib.rc_context():
        # The backend is left alone: setting it would load one.
        defaults = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
        matplotlib.rcParams.update(defaults)
        matplotlib.rcParams.update(_SETTINGS)
        figure = draw()
        buffer = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return buffer.getvalue()


def time_unit(longest_s: float) -> tuple[str, float]:
    """Return the unit in which a span is easy to read, and its seconds.

    Example:
        >>> time_unit(90.0), time_unit(604800.0)
        (('s', 1.0), ('days', 86400.0))
    """
    if longest_s > 2 * 86400:
        return "days", 86400.0
    if longest_s > 2 * 3600:
        return "hours", 3600.0
    if longest_s > 120:
        return "minutes", 60.0
    return "s", 1.0


def in_natural_order(names: Iterable[str]) -> list[str]:
    """Return the names with numbers in them sorted as numbers.

    Example:
        >>> in_natural_order(["10", "2", "site 3", "site 20"])
        ['2', '10', 'site 3', 'site 20']
    """

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d+)", name)
        return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]

    return sorted(names, key=lambda name: (key(name), name))


def shortened(name: str, length: int = 18) -> str:
    """Return `name`, its middle left out where it is longer than `length`, and no ``$`` read as a formula."""
    if len(name) > length:
        name = name[: length - 6] + "…" + name[-5:]
    return name.replace("$", r"\$")
