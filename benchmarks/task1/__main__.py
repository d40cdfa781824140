"""``python -m benchmarks.task1``: FedAvg, pooled training and institutions alone, for several seeds."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.report import document, write_json
from benchmarks.task1.runs import compete, through_the_command
from benchmarks.task1.standing import measurements, standing
from benchmarks.task1.tables import page, seed_table, summary_table
from challenge.task1.facts import code_version
from fl_core.errors import FederationError
from partitions.errors import DataError

SEEDS = "11,12,13"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; return the exit code (a missed target is no failure)."""
    options = _parser().parse_args(arguments)
    values: dict[str, Any] = {}
    if options.rounds is not None:
        values["rounds"] = options.rounds
    if options.data is not None:
        values["data"] = str(options.data.resolve())
    run = through_the_command([] if options.workers is None else ["--workers", str(options.workers)])
    version, standings = code_version(), []
    try:
        for seed in options.seeds:
            outcomes = compete(seed, values, version, options.out, run, lambda text: print(text, flush=True))
            standings.append(standing(outcomes))
            print(f"\n{seed_table(standings[-1])}\n", flush=True)
    except (FederationError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    default = not values
    print(summary_table(standings, default))
    facts = machine()
    if options.json is not None:
        write_json(options.json, document("task1", facts, measurements(standings, default)))
    if options.markdown is not None:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text(page(standings, _command(options), facts, default), encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.task1", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there")
    parser.add_argument("--seeds", type=_seeds, default=_seeds(SEEDS), metavar="N,N,...", help=f"[{SEEDS}]")
    parser.add_argument("--rounds", type=_positive, metavar="N", help="instead of the default's")
    parser.add_argument("--data", type=Path, metavar="DIR", help="instead of the embedded phantom")
    parser.add_argument("--workers", type=_positive, metavar="N", help="of each run [one a core]")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/benchmark-task1"),
        metavar="DIR",
        help="keeps the runs; what is finished there is not run again [runs/benchmark-task1]",
    )
    return parser


def _seeds(text: str) -> tuple[int, ...]:
    """Return the seeds of a list such as ``11,12``."""
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as {SEEDS}") from None
    if min(seeds) < 0 or len(set(seeds)) != len(seeds):
        raise argparse.ArgumentTypeError(f"{text!r}: seeds are numbers from 0, each once")
    return seeds


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def _command(options: argparse.Namespace) -> str:
    """Return the command that makes the numbers again; where it keeps and writes things is left out."""
    words = ["python", "-m", "benchmarks.task1", "--seeds", ",".join(map(str, options.seeds))]
    if options.rounds is not None:
        words += ["--rounds", str(options.rounds)]
    if options.data is not None:
        words += ["--data", options.data.name]
    return shlex.join(words)


if __name__ == "__main__":
    sys.exit(main())
