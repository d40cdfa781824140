"""Compression in either direction: a federation has the bytes of a simulation with the same codecs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from lead_world import RUNNER, World, initial_model, terms

from fl_core.aggregator.service import Aggregator
from fl_core.collaborator.loop import Collaborator
from fl_core.compression.base import Codec
from fl_core.compression.bf16 import BFloat16
from fl_core.compression.eden import Eden
from fl_core.compression.exchange import Exchange
from fl_core.compression.executor import CompressedExecutor
from fl_core.compression.fp16 import Float16
from fl_core.compression.none import NoCompression
from fl_core.compression.ternary import Ternary
from fl_core.compression.top_k import TopK
from fl_core.executor.base import SiteJob, SiteReport
from fl_core.federation import progress
from fl_core.federation.terms import Terms
from fl_core.task_runner.plus_one import PlusOneRunner
from fl_core.tensors import Array, Tensors
from fl_core.tensors.codec import encode

CODECS: dict[str, tuple[Codec, Codec]] = {
    "fp16 up": (Float16(dim_threshold=1), NoCompression()),
    "bf16 down": (NoCompression(), BFloat16(dim_threshold=1)),
    "ternary up, fp16 down": (Ternary(dim_threshold=100), Float16(dim_threshold=100)),
    "eden both": (Eden(dim_threshold=100), Eden(dim_threshold=100)),
}


def _compressed(codecs: str, delta_updates: bool) -> Terms:
    upload, download = CODECS[codecs]
    exchange = Exchange(7, upload, download, delta_updates)
    return terms(3, delta_updates=delta_updates, compression=exchange)


class _Here:
    """An executor in this process, one collaborator a site."""

    def __init__(self, agreed: Terms) -> None:
        self._agreed = agreed

    def run(self, model: Tensors, jobs: Sequence[SiteJob]) -> Iterator[SiteReport]:
        for job in jobs:
            runner = PlusOneRunner(RUNNER, job.site)
            yield Collaborator(job.site, runner, self._agreed.collaborator).perform(job, model)

    def close(self) -> None: ...


def _simulated(agreed: Terms) -> dict[str, Array]:
    delta = agreed.collaborator.delta_updates
    aggregator = Aggregator(initial_model(), rules=agreed.rules, delta_updates=delta)
    executor = CompressedExecutor(_Here(agreed), agreed.exchange)
    states: dict[str, Tensors] = {name: {} for name in "abc"}
    for round in range(agreed.rounds):
        tasks = agreed.tasks_of(round, tuple("abc"))
        aggregator.open_round(tasks)
        jobs = [SiteJob(name, round, tasks[name], local_state=states[name]) for name in "abc"]
        for report in executor.run(aggregator.model, jobs):
            states[report.site] = report.local_state
            assert aggregator.deliver(report) == ""
        aggregator.close_round(agreed.aggregation)
    return {name: np.asarray(aggregator.model[name]) for name in aggregator.model}


@pytest.mark.parametrize("delta_updates", [False, True])
@pytest.mark.parametrize("codecs", CODECS)
def test_the_bytes_are_those_of_a_simulation(tmp_path: Path, codecs: str, delta_updates: bool) -> None:
    agreed = _compressed(codecs, delta_updates)
    world = World(tmp_path, agreed)
    assert world.run().finished
    assert world.of(progress.SiteDropped) == []
    assert encode(world.model("last")) == encode(_simulated(agreed))


def test_a_compressed_update_outlives_a_restart_and_is_decoded_anew(tmp_path: Path) -> None:
    agreed = _compressed("ternary up, fp16 down", delta_updates=True)
    world = World(tmp_path, agreed)
    busy = [True]
    world.sites["c"]._change = lambda work, report: None if work.round == 1 and busy else report

    def watch(told: progress.Progress) -> None:
        if isinstance(told, progress.SiteDelivered) and told.row.round == 1:
            lead.stop()

    with world.state() as state, world.lead(state, watch) as lead:
        for site in world.sites.values():
            site.connect(lead.board, lead.spool)
        assert not lead.run().finished
        for site in world.sites.values():
            site.leave()
    for decoded in (tmp_path / "state").rglob("*.decoded"):
        decoded.write_bytes(b"torn")
    busy.clear()
    world.seen.clear()
    assert world.run().finished
    began = world.of(progress.RoundBegan)[0]
    assert began.round == 1 and began.arrived
    assert encode(world.model("last")) == encode(_simulated(agreed))


def test_an_update_that_does_not_decode_is_refused(tmp_path: Path) -> None:
    agreed = _compressed("fp16 up", delta_updates=False)
    world = World(tmp_path, agreed)
    # The site compresses with another codec than the plan says.
    world.sites["b"]._exchange = Exchange(7, TopK(p_sparsity=0.5, dim_threshold=1))
    assert world.run().finished
    dropped = world.of(progress.SiteDropped)[0]
    assert [(d.site, d.round) for d in world.of(progress.SiteDropped)] == [("b", 0), ("b", 1), ("b", 2)]
    assert "invalid update" in dropped.reason
    assert "'top_k', not with 'fp16'" in dropped.reason
