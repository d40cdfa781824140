"""A whole federation in processes of its own, timed from outside by what its aggregator says."""

from __future__ import annotations

import re
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Final

from benchmarks.resident import peak_resident, resident
from benchmarks.transport.workspaces import FX, Federation, prepare

_ROUND: Final = re.compile(r"round (\d+) \(")
_ENDS_S: Final = 900.0


@dataclass(frozen=True)
class Run:
    """What a federation cost.

    Attributes:
        round_s: Median seconds of a round, the first left out.
        above_idle: The aggregator's largest resident memory less that before the first site came, bytes.
    """

    round_s: float
    above_idle: int


def run(sites: int, parameters: int, rounds: int, whole: bool = False) -> Run:
    """Run a federation and measure it.

    Raises:
        RuntimeError: It did not end well; the message has what the aggregator said.
    """
    with tempfile.TemporaryDirectory(prefix="transport-") as name:
        federation = prepare(
            Path(name),
            sites=sites,
            parameters=parameters,
            rounds=rounds,
            port=_free_port(),
            whole=whole,
        )
        return _measured(federation)


def _measured(federation: Federation) -> Run:
    begun: list[float] = []
    said: list[str] = []
    with _started(federation.aggregator, "aggregator", "start", "--lost-after", "120") as aggregator:
        lines = aggregator.stderr
        assert lines is not None
        _read_until(lines, "listening", said)
        time.sleep(1.0)
        idle = resident(aggregator.pid)
        peak = 0
        sites = [
            subprocess.Popen([FX, "collaborator", "start", "-n", name], cwd=folder, stderr=subprocess.DEVNULL)
            for name, folder in federation.sites.items()
        ]
        try:
            for line in lines:
                said.append(line)
                if _ROUND.match(line):
                    begun.append(time.perf_counter())
                    peak = max(peak, peak_resident(aggregator.pid))
                if "telling the sites" in line:
                    peak = max(peak, peak_resident(aggregator.pid))
            code = aggregator.wait(_ENDS_S)
            codes = [site.wait(60) for site in sites]
        finally:
            for site in sites:
                site.kill()
    if code or any(codes):
        raise RuntimeError(f"exit codes {code}, {codes}:\n{''.join(said)}")
    lengths = [after - before for before, after in pairwise(begun)]
    return Run(statistics.median(lengths[1:]), peak - idle)


@contextmanager
def _started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([FX, *arguments], cwd=folder, stderr=subprocess.PIPE, text=True, bufsize=1)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _read_until(lines: IO[str], word: str, said: list[str]) -> None:
    for line in lines:
        said.append(line)
        if word in line:
            return
    raise RuntimeError(f"the aggregator ended: {''.join(said)}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
