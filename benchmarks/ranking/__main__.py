"""``python -m benchmarks.ranking``: a ranking of the challenge's size with its uncertainty."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.machine import machine, one_line
from benchmarks.ranking.rank_41x32 import cases
from benchmarks.report import Measurement, document, write_json


def main(
    arguments: Sequence[str] | None = None, measure: Callable[[int], Iterable[Measurement]] = cases
) -> int:
    """Run the cases; return the exit code (a missed target is no failure)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranking", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--repeats", type=_positive, default=5, metavar="N", help="of each case [5]")
    options = parser.parse_args(arguments)
    measured = []
    for case in measure(options.repeats):
        measured.append(case)
        print(row(case), flush=True)
    facts = machine()
    print(one_line(facts))
    if options.json is not None:
        write_json(options.json, document("ranking", facts, measured))
    return 0


def row(found: Measurement) -> str:
    """Return a case as a line of text.

    Example:
        >>> row(Measurement("rank-41x32", 1.2, "s", "plain", 12.0))
        'rank-41x32                            1.20 s       0.10 x plain (12.00 s)'
    """
    return (
        f"{found.case:<34}{found.value:>8.2f} {found.unit:<6}{found.ratio:>6.2f} x {found.reference} "
        f"({found.reference_value:.2f} {found.unit})"
    )


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
