"""``python -m benchmarks.ranking``: a ranking of the challenge's size with its uncertainty."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence

from benchmarks.command import add_repeats, options_of, report
from benchmarks.ranking.rank_41x32 import cases
from benchmarks.report import Measurement


def main(
    arguments: Sequence[str] | None = None, measure: Callable[[int], Iterable[Measurement]] = cases
) -> int:
    """Run the cases; return the exit code (a missed target is no failure)."""
    parser = options_of("ranking", __doc__)
    add_repeats(parser, 5)
    options = parser.parse_args(arguments)
    return report("ranking", measure(options.repeats), options.json)


if __name__ == "__main__":
    sys.exit(main())
