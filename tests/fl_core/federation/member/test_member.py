"""A member at a board: work, failures, withdrawals, reconnects, death and return."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import numpy as np
import pytest
from member_world import World, performing, weights

from fl_core.collaborator.settings import OptTreatment
from fl_core.compression.exchange import Exchange
from fl_core.compression.fp16 import Float16
from fl_core.executor.base import SiteJob, SiteReport
from fl_core.federation.member import Sharing
from fl_core.federation.travelling import encoded_form, file_form
from fl_core.tensors import Tensors
from fl_core.tensors.codec import read_file
from fl_core.transport.board import Delivered, Failed
from fl_core.transport.messages import BlobRef, Work


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_rounds_to_the_farewell(world: World) -> None:
    with world.living():
        for round in range(3):
            world.board.post("a", world.work(round, round, ("validate", "train", "local")))
            event = world.next()
            assert (weights(event) == round + 1).all()
            validate, train, local = event.delivery.reports
            assert validate.metrics == {"weight_mean": float(round)} and not validate.trains
            assert train.trains and train.samples == 1
            assert local.metrics == {"local_weight_mean": round + 1.0}
            assert event.delivery.local_state is None and event.delivery.wall_s >= 0
            world.board.release(round)

    assert world.error is None and world.farewell == "all rounds are over"
    assert world.board.untold() == () and world.connection.farewells == 1
    assert world.connection.beats, "it said that it is alive"


def test_nothing_trained_sends_no_arrays(world: World) -> None:
    with world.living():
        world.board.post("a", world.work(0, 2.0, ("validate",)))
        event = world.next()

    assert event.update is None and event.delivery.update is None and world.connection.uploads == []


@pytest.mark.parametrize("shares", [False, True])
def test_rows_leave_the_site_only_if_the_plan_says_so(world: World, shares: bool) -> None:
    with world.living(sharing=Sharing(rows=shares)):
        world.board.post("a", world.work(0, 2.0, ("validate",)))
        rows = world.next().delivery.reports[0].rows

    assert rows == (({"case": "a-0", "weight_mean": 2.0},) if shares else ())


def test_a_failing_task_is_reported_without_its_words_and_the_site_goes_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    works = performing()

    def perform(job: SiteJob, model: Tensors) -> SiteReport:
        if job.round == 0:
            raise RuntimeError("cannot read /data/patients/JANE_DOE.nii.gz")
        return works(job, model)

    with caplog.at_level(logging.ERROR), world.living(perform):
        world.board.post("a", world.work(0))
        failed = world.next(Failed)
        world.board.post("a", world.work(1, 5.0))
        event = world.next()

    assert failed.reason == "the site says: RuntimeError; the site's log tells more"
    assert "JANE_DOE" in caplog.text and "Traceback" in caplog.text
    assert (weights(event) == 6).all()


def test_damaged_models_are_a_failure_of_the_round(world: World) -> None:
    path = world.folder / "damaged"
    path.write_bytes(b"no tensors at all")
    blob = BlobRef("xxh3:" + "d" * 32, 17)
    world.board.publish(blob, path)
    with world.living():
        world.board.post("a", Work("k", 0, ("train",), blob))
        assert world.next(Failed).reason == "the site says: TensorError; the site's log tells more"


def test_results_of_a_withdrawn_work_are_thrown_away(world: World, caplog: pytest.LogCaptureFixture) -> None:
    began, go_on = threading.Event(), threading.Event()
    works = performing(OptTreatment.CONTINUE_LOCAL)

    def perform(job: SiteJob, model: Tensors) -> SiteReport:
        if job.round == 0:
            began.set()
            assert go_on.wait(20)
        return works(job, model)

    with caplog.at_level(logging.WARNING), world.living(perform):
        world.board.post("a", world.work(0))
        assert began.wait(20)
        world.board.withdraw("a", "too late for round 0")
        world.board.post("a", world.work(1, 3.0))
        # The site has heard of both before its task ends: so the withdrawal, not the refusal, decides.
        while world.board._desk("a").pending:
            threading.Event().wait(0.01)
        threading.Event().wait(0.1)
        go_on.set()
        event = world.next()
        assert event.work.round == 1 and (weights(event) == 4).all()
        state = sorted(p.name.split("-")[0] for p in (world.folder / "state").glob("state-*"))

    assert "thrown away: too late for round 0" in caplog.text
    assert len(world.connection.uploads) == 1
    assert state == ["state"], "only round 1's state is left"


def test_a_verdict_that_refuses_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.board._admit = lambda delivered: "its cap is 0 samples"
    with caplog.at_level(logging.WARNING), world.living():
        world.board.post("a", world.work(0))
        assert world.next(Failed).reason == "its cap is 0 samples"

    assert "round 0: train: refused: its cap is 0 samples" in caplog.text
    assert not list((world.folder / "state").glob("result-*"))


def test_the_optimizer_goes_on_from_the_last_round_that_was_taken(world: World) -> None:
    seen = []
    works = performing(OptTreatment.CONTINUE_LOCAL)

    def perform(job: SiteJob, model: Tensors) -> SiteReport:
        seen.append([int(v[0]) for v in job.local_state.values()])
        return works(job, model)

    def refuse(delivered: Delivered) -> str:
        return "not this one" if delivered.work.round == 1 else ""

    world.board._admit = refuse
    with world.living(perform):
        for round in range(3):
            world.board.post("a", world.work(round))
            world.next(Failed if round == 1 else Delivered)

    assert seen == [[], [1], [1]], "round 1 was refused, so round 2 starts where round 1 did"


def test_a_state_that_the_aggregator_holds_comes_and_goes(world: World) -> None:
    with world.living(performing(OptTreatment.CONTINUE_LOCAL), sharing=Sharing(local_state=True)):
        state = world.blob({"optimizer/steps": np.array([7])})
        world.board.post("a", world.work(0, local_state=state))
        event = world.next()
        assert event.local_state is not None
        assert read_file(event.local_state)[0]["optimizer/steps"].tolist() == [8]
        world.board.post("a", world.work(1, tasks=("validate",), local_state=state))
        unchanged = world.next()

    assert read_file(unchanged.local_state)[0]["optimizer/steps"].tolist() == [7]
    assert not (world.folder / "state" / "local.json").exists()


def test_extras_reach_the_runner(world: World) -> None:
    seen = {}
    works = performing()

    def perform(job: SiteJob, model: Tensors) -> SiteReport:
        seen.update({name: value.tolist() for name, value in job.extras.items()})
        seen["settings"] = job.settings
        return works(job, model)

    with world.living(perform):
        extras = world.blob({"control": np.arange(2.0)})
        world.board.post("a", world.work(0, extras=extras, settings={"train": {"lr": 0.5}}))
        world.next()

    assert seen == {"control": [0.0, 1.0], "settings": {"train": {"lr": 0.5}}}


def test_models_and_updates_travel_as_the_plan_says(world: World) -> None:
    codec = Float16(dim_threshold=1)
    exchange = Exchange(0, upload=codec, download=codec)
    model = {"w": np.full((2, 3), 100.0001, np.float32)}
    sent = exchange.pack_model(model, round=1)
    with world.living(exchange=exchange):
        blob = world.blob(*file_form(sent))
        world.board.post("a", Work("k-1", 1, ("train",), blob))
        event = world.next()

    tensors, metadata = read_file(event.update)
    assert metadata is not None and metadata["codec"] == "fp16"
    base = exchange.unpack_model(sent)
    assert (base["w"] == 100).all()
    got = exchange.unpack_update(encoded_form(tensors, metadata), model=model, base=base)
    assert (got["w"] == 101).all()


def test_beats_go_on_while_a_task_runs(world: World) -> None:
    with world.living(performing(pause_s=0.5)):
        world.board.post("a", world.work(0))
        world.next()

    assert world.connection.beats.count("round 0: train: working") >= 3
