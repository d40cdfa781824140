"""``python -m benchmarks.aggregation``: aggregation functions beside their floors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.aggregation.mean import mean_case
from benchmarks.aggregation.memory import memory_case
from benchmarks.aggregation.work import Work
from benchmarks.machine import machine, one_line
from benchmarks.report import Measurement, document, write_json

CASES: Final[Sequence[Callable[[int], Measurement]]] = (
    lambda repeats: mean_case(Work(4, 33_000_000), repeats),
    lambda repeats: memory_case(Work(16, 8_000_000), min(repeats, 3)),
)
"""Each takes the number of repeats."""


def main(
    arguments: Sequence[str] | None = None, cases: Sequence[Callable[[int], Measurement]] = CASES
) -> int:
    """Run the cases; return the exit code (a missed target is no failure)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.aggregation", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--repeats", type=_positive, default=11, metavar="N", help="of each case [11]")
    options = parser.parse_args(arguments)
    measured = []
    for case in cases:
        measured.append(case(options.repeats))
        print(row(measured[-1]), flush=True)
    facts = machine()
    print(one_line(facts))
    if options.json is not None:
        write_json(options.json, document("aggregation", facts, measured))
    return 0


def row(found: Measurement) -> str:
    """Return a case as a line of text.

    Example:
        >>> row(Measurement("mean-4x33M", 0.06, "s", "floor", 0.05))
        'mean-4x33M              0.060 s       1.20 x floor (0.050 s)'
    """
    return (
        f"{found.case:<22}{found.value:>7.3f} {found.unit:<6}{found.ratio:>6.2f} x {found.reference} "
        f"({found.reference_value:.3f} {found.unit})"
    )


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
