"""``python -m benchmarks.pages``: a board of 41 submissions, loaded from disk and sorted in Chromium."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.machine import machine, one_line
from benchmarks.pages.sort_41 import cases
from benchmarks.report import Measurement, document, write_json


def main(
    arguments: Sequence[str] | None = None, measure: Callable[[int], Iterable[Measurement]] = cases
) -> int:
    """Run the cases; return the exit code (a missed target is no failure)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--repeats", type=int, choices=range(1, 101), default=5, metavar="N", help="[5]")
    options = parser.parse_args(arguments)
    measured = []
    for case in measure(options.repeats):
        measured.append(case)
        print(
            f"{case.case:<20}{case.value:>8.1f} {case.unit}   {case.ratio:.2f} x {case.reference}", flush=True
        )
    facts = machine()
    print(one_line(facts))
    if options.json is not None:
        write_json(options.json, document("pages", facts, measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
