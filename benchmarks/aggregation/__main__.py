"""``python -m benchmarks.aggregation``: aggregation functions beside their floors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.aggregation.mean import mean_case
from benchmarks.aggregation.memory import memory_case
from benchmarks.aggregation.work import Work
from benchmarks.command import add_repeats, options_of, report
from benchmarks.report import Measurement

CASES: Final[Sequence[Callable[[int], Measurement]]] = (
    lambda repeats: mean_case(Work(4, 33_000_000), repeats),
    lambda repeats: memory_case(Work(16, 8_000_000), min(repeats, 3)),
)
"""Each takes the number of repeats."""


def main(
    arguments: Sequence[str] | None = None, cases: Sequence[Callable[[int], Measurement]] = CASES
) -> int:
    """Run the cases; return the exit code (a missed target is no failure)."""
    parser = options_of("aggregation", __doc__)
    add_repeats(parser, 11)
    options = parser.parse_args(arguments)
    return report("aggregation", (case(options.repeats) for case in cases), options.json)


if __name__ == "__main__":
    sys.exit(main())
