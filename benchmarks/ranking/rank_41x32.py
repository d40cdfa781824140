"""The case ``rank-41x32``, and the targets for the other schemes and for everything together."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.ranking.board import board
from benchmarks.ranking.plain import plain_ranks
from benchmarks.report import Measurement
from benchmarks.resident import peak_resident
from leaderboard.agreement import ranks_without_each_site
from leaderboard.cases import CaseTable
from leaderboard.errors import LeaderboardError
from leaderboard.ranking.base import Scheme
from leaderboard.ranking.registry import CHALLENGER, Options, make_scheme
from leaderboard.significance import significance
from leaderboard.uncertainty import bootstrap, drawn

HEADLINE = "fets2022-task2-py"
OTHERS = ("rank-then-mean", "rank-then-median", "aggregate-then-mean", "aggregate-then-median")
RESAMPLES = 1000
PLAIN_RESAMPLES = 20
TARGET_S = 2.0
TARGET_ALL_S = 15.0
TARGET_MIB = 1024.0


def generators(block: int) -> np.random.Generator:
    """Return the generator of a block of resamples."""
    return np.random.default_rng([0, block])


def scheme_of(name: str) -> Scheme:
    """Return a scheme, the open ones under challengeR's rules."""
    return make_scheme(name, Options(cells="refuse") if name.startswith("fets") else CHALLENGER)


def cases(repeats: int, table: CaseTable | None = None, resamples: int = RESAMPLES) -> Iterator[Measurement]:
    """Yield the measurements, the headline first.

    Args:
        repeats: Of each, for the median.
        table: Another than the challenge's size, for tests.
        resamples: Of our bootstrap.
    """
    full = board() if table is None else table
    plain, ours = _against_plain(full, resamples, repeats)
    yield Measurement("rank-41x32", ours, "s", "plain numpy and scipy", plain)
    for name in OTHERS:
        value = _median(partial(bootstrap, scheme_of(name), full, None, generators, resamples), repeats)
        yield Measurement(f"peer-{name}-41x32", value, "s", "target", TARGET_S)
    yield Measurement(
        "peer-everything-41x32", _median(lambda: everything(full, resamples), 1), "s", "target", TARGET_ALL_S
    )
    if table is None:
        yield Measurement("memory-rank-41x32", peak_mib(), "MiB", "target", TARGET_MIB)


def everything(table: CaseTable, resamples: int = RESAMPLES) -> None:
    """Do what the second target names: test-based, significance map, leave-one-site-out."""
    scheme = scheme_of("test-based")
    bootstrap(scheme, table, None, generators, resamples)
    ranks_without_each_site(scheme, table, None)
    significance(table, scheme.rules.cases)


def peak_mib() -> float:
    """Return the largest resident memory of a process that does everything, in MiB."""
    command = [sys.executable, "-m", "benchmarks.ranking.rank_41x32"]
    here = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LeaderboardError(f"{' '.join(command)} failed:\n{done.stderr}")
    return float(done.stdout)


def _against_plain(table: CaseTable, resamples: int, repeats: int) -> tuple[float, float]:
    """Return the seconds of the plain way, for as many resamples, and of ours; both give the same ranks.

    The plain way takes the same time for each resample, so some stand for all.
    """
    scheme, few = scheme_of(HEADLINE), min(PLAIN_RESAMPLES, resamples)
    draws = drawn(table, 0, few, generators)
    slow: list[float] = []
    fast: list[float] = []
    for _ in range(repeats):  # in turn, so that both see the same machine
        began = time.perf_counter()
        plain = plain_ranks(table, draws)
        slow.append((time.perf_counter() - began) * resamples / few)
        began = time.perf_counter()
        ours = bootstrap(scheme, table, None, generators, resamples)
        fast.append(time.perf_counter() - began)
        if not np.array_equal(plain, ours.ranks[:few]):
            raise LeaderboardError("the plain way and ours rank the same resamples differently")
    return median(slow), median(fast)


def _median(work: Callable[[], object], repeats: int) -> float:
    times: list[float] = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return median(times)


def main() -> None:
    """Print this process's largest resident memory after everything, in MiB."""
    table = board()
    bootstrap(scheme_of(HEADLINE), table, None, generators)
    everything(table)
    print(peak_resident() / 2**20)


if __name__ == "__main__":
    main()
