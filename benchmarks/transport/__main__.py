"""``python -m benchmarks.transport``: rounds over mutual TLS beside what wire and sum alone cost.

The floor of a round is N x 2 x size / raw throughput + one in-place mean, both measured in the same run. The
times are those of a whole federation: aggregator and collaborators as processes, started by ``fx``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.command import add_repeats, options_of, report
from benchmarks.report import Measurement
from benchmarks.transport.certificates import throw_away
from benchmarks.transport.floor import in_place_mean, raw_throughput
from benchmarks.transport.rounds import Run, run

STREAMING_MODELS: Final = 3.0
"""Models above idle that the aggregator may hold with a function that works tensor by tensor."""


@dataclass(frozen=True)
class Case:
    """So many sites with a model of so many parameters, float32."""

    name: str
    sites: int
    parameters: int

    @property
    def size(self) -> int:
        """Bytes of the model."""
        return 4 * self.parameters


CASES: Final = (
    Case("4x8M", 4, 8_000_000),
    Case("4x33M", 4, 33_000_000),
    Case("16x8M", 16, 8_000_000),
)


def measure(case: Case, rounds: int) -> list[Measurement]:
    """Return a case's rows: seconds a round, and the aggregator's memory."""
    server, sites = throw_away(case.sites)
    raw = raw_throughput(server, sites, case.size, rounds)
    floor_s = 2 * case.sites * case.size / raw + in_place_mean(case.size, case.sites, rounds)
    found = run(case.sites, case.parameters, rounds)
    return [
        Measurement(case.name, found.round_s, "s", "raw gRPC and one mean", floor_s),
        _memory(f"memory-{case.name}", found, case, STREAMING_MODELS, "models allowed above idle"),
    ]


def measure_whole(case: Case, rounds: int) -> Measurement:
    """Return the aggregator's memory with a function that needs all updates at once."""
    found = run(case.sites, case.parameters, rounds, whole=True)
    return _memory(f"memory-whole-{case.name}", found, case, case.sites + 2.0, "models allowed above idle")


def main(arguments: Sequence[str] | None = None, cases: Sequence[Case] = CASES) -> int:
    """Run the cases; return the exit code (a missed target is no failure)."""
    parser = options_of("transport", __doc__)
    add_repeats(parser, 8, "--rounds")
    options = parser.parse_args(arguments)
    return report("transport", _measured(cases, options.rounds), options.json)


def _measured(cases: Sequence[Case], rounds: int) -> Iterator[Measurement]:
    for case in cases:
        yield from measure(case, rounds)
    yield measure_whole(cases[0], rounds)


def _memory(name: str, found: Run, case: Case, allowed: float, reference: str) -> Measurement:
    return Measurement(name, found.above_idle / case.size, "models", reference, allowed)


if __name__ == "__main__":
    sys.exit(main())
