"""``python -m benchmarks.pages``: a board of 41 submissions, loaded from disk and sorted in Chromium."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence

from benchmarks.command import add_repeats, options_of, report
from benchmarks.pages.sort_41 import cases
from benchmarks.report import Measurement


def main(
    arguments: Sequence[str] | None = None, measure: Callable[[int], Iterable[Measurement]] = cases
) -> int:
    """Run the cases; return the exit code (a missed target is no failure)."""
    parser = options_of("pages", __doc__)
    add_repeats(parser, 5)
    options = parser.parse_args(arguments)
    return report("pages", measure(options.repeats), options.json)


if __name__ == "__main__":
    sys.exit(main())
