"""What every ``python -m benchmarks.NAME`` does: options, a line a case as it comes, the JSON report."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from benchmarks.machine import machine, one_line
from benchmarks.report import Measurement, document, write_json


def options_of(name: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser that has the option ``--json``."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    return parser


def add_repeats(parser: argparse.ArgumentParser, default: int, flag: str = "--repeats") -> None:
    """Add the option of how often each case is measured."""
    parser.add_argument(flag, type=positive, default=default, metavar="N", help=f"of each case [{default}]")


def report(name: str, cases: Iterable[Measurement], json: Path | None) -> int:
    """Show each case as soon as it is measured, then the machine; write the report if asked to.

    Returns:
        The exit code: 0, since a missed target is no failure.
    """
    measured = []
    for case in cases:
        measured.append(case)
        print(row(case), flush=True)
    facts = machine()
    print(one_line(facts))
    if json is not None:
        write_json(json, document(name, facts, measured))
    return 0


def row(found: Measurement) -> str:
    """Return a case as a line of text.

    Example:
        >>> row(Measurement("4x8M", 0.6, "s", "floor", 0.3))
        '4x8M                               0.600 s             2 x floor (0.300 s)'
    """
    return (
        f"{found.case:<30}{found.value:>10.3f} {found.unit:<7}{found.ratio:>8.3g} x {found.reference} "
        f"({found.reference_value:.3f} {found.unit})"
    )


def positive(text: str) -> int:
    """Return a number above 0.

    Raises:
        ArgumentTypeError: It is none.

    Example:
        >>> positive("12")
        12
    """
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)
