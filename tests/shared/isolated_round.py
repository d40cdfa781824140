"""A round as the harness tells it to an isolated strategy, for tests of that isolation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from challenge.isolation.host import ProcessHost
from fl_core.tensors import Tensors
from tasks.task1_aggregation.context import RoundContext, RoundRecord, SiteInfo, SiteRecord
from tasks.task1_aggregation.host import LocalHost
from tasks.task1_aggregation.strategy import Update

SITES = (SiteInfo("1", 4, 2), SiteInfo("2", 6, 2), SiteInfo("3", 10, 3))
MODEL = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(3, dtype=np.int64)}
UPDATES = [
    Update("1", {"w": MODEL["w"] + 1, "n": MODEL["n"]}, 0.25, 4, {"loss": 0.5}),
    Update("2", {"w": MODEL["w"] - 2, "n": MODEL["n"]}, 0.75, 6, {"loss": 0.25}, 1),
]

Start = Callable[..., ProcessHost]


def record(round: int) -> RoundRecord:
    sites = {
        s.name: SiteRecord("ok", True, 10.0 * int(s.name) + round, {"dice": np.float64(0.5)}) for s in SITES
    }
    return RoundRecord(round, ("1", "2"), sites, 30.0, 30.0 * (round + 1))


def context(function: str, round: int = 0, history: tuple[RoundRecord, ...] = ()) -> RoundContext:
    past = record(round)
    during = function == "aggregate"
    return RoundContext(
        round=round,
        rounds=5,
        horizon_s=1e5,
        sites=SITES,
        history=history,
        selected=() if function == "select_sites" else ("1", "2"),
        times={n: s.time_s for n, s in past.sites.items()} if during else {},
        reports=past.sites if during else {},
        seed=5,
        function=function,
    )


def select(host: ProcessHost | LocalHost, round: int = 0, history: tuple[RoundRecord, ...] = ()) -> list[str]:
    return host.select_sites(context("select_sites", round, history))


def aggregate(host: ProcessHost | LocalHost, round: int = 0) -> Tensors:
    return host.aggregate(context("aggregate", round), MODEL, UPDATES)


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and is not reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
