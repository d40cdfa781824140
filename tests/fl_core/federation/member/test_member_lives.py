"""A member whose connection breaks, who dies and comes back, and who learns of the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from board_connection import BoardConnection
from member_world import World, performing, weights

from fl_core.collaborator.settings import OptTreatment
from fl_core.executor.base import SiteJob, SiteReport
from fl_core.tensors import Tensors
from fl_core.transport.board import Board, Failed
from fl_core.transport.errors import GaveUp, Refused
from fl_core.transport.messages import Instruction


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_lost_stream_during_a_task_does_the_work_once(world: World) -> None:
    began, go_on, count = threading.Event(), threading.Event(), []
    works = performing()

    def perform(job: SiteJob, model: Tensors) -> SiteReport:
        count.append(job.round)
        began.set()
        assert go_on.wait(20)
        return works(job, model)

    with world.living(perform):
        world.board.post("a", world.work(0))
        assert began.wait(20)
        world.connection.cut()
        threading.Event().wait(0.2)
        go_on.set()
        first = world.next()
        world.board.post("a", world.work(1, 1.0))
        second = world.next()

    assert count == [0, 1] and len(world.connection.uploads) == 2
    assert (weights(first) == 1).all() and (weights(second) == 2).all()


def test_a_site_killed_before_it_delivered_answers_from_its_disk(world: World) -> None:
    """Killed between keeping and handing in; the work comes again with the same key."""
    count = []
    works = performing()

    def perform(job: SiteJob, model: Tensors) -> SiteReport:
        count.append(job.round)
        report = works(job, model)
        if len(count) == 1:
            world.connection.close()
        return report

    work = world.work(0)
    world.board.release(-1)
    with world.living(perform) as thread:
        world.board.post("a", work)
        thread.join(20)
        assert type(world.error).__name__ == "ConnectionClosed"
        world.kill(thread)
    world.board._farewell = None
    world.board.post("a", work)
    with world.living(perform):
        event = world.next()

    assert count == [0] and (weights(event) == 1).all()
    assert event.delivery.update is not None and world.connection.downloads == []


def test_an_aggregator_that_lost_its_uploads_gets_the_same_bytes_again(world: World) -> None:
    with world.living():
        world.board.post("a", world.work(0))
        first = world.next()
        content = first.update.read_bytes()
        for path in (world.folder / "spool").iterdir():
            path.unlink()
        world.board._desk("a").answered.clear()
        world.board.post("a", first.work)
        second = world.next()

    assert second.update.read_bytes() == content and second.delivery == first.delivery


def test_the_same_work_done_again_has_the_same_bytes(world: World) -> None:
    work = world.work(0)
    digests = []
    for _ in range(2):
        with world.living() as thread:
            world.board.post("a", work)
            digests.append(world.next().delivery.update.checksum)
        world.kill(thread)
        world.board._farewell = None
        world.board._desk("a").answered.clear()
        for path in (world.folder / "state").iterdir():
            path.unlink()

    assert digests[0] == digests[1]


def test_after_the_farewell_a_site_calls_nobody(world: World) -> None:
    with world.living():
        pass
    assert world.farewell == "all rounds are over"

    silent = BoardConnection(Board(), "a", world.folder / "other")
    silent.instructions = lambda: pytest.fail("it called")  # type: ignore[method-assign]
    world.connection = silent
    world.member()()
    assert world.error is None and world.farewell == "all rounds are over" and silent.beats == []


def test_the_farewell_is_read_while_a_task_runs(world: World) -> None:
    began, go_on = threading.Event(), threading.Event()
    works = performing()

    def perform(job: SiteJob, model: Tensors) -> SiteReport:
        began.set()
        assert go_on.wait(20)
        return works(job, model)

    with world.living(perform):
        world.board.post("a", world.work(0))
        assert began.wait(20)
        world.board.finish("stopped early")
        while world.board.untold():
            threading.Event().wait(0.01)
        go_on.set()

    assert world.farewell == "stopped early" and world.connection.uploads == []


@pytest.mark.parametrize("error", [Refused("plan mismatch"), GaveUp("nobody there")])
def test_the_connections_last_word_ends_the_member(world: World, error: Exception) -> None:
    def instructions() -> Iterator[Instruction]:
        raise error
        yield

    world.connection.instructions = instructions  # type: ignore[method-assign]
    world.member()()

    assert world.error is error


def test_a_site_killed_after_it_delivered_asks_what_became_of_it(world: World) -> None:
    """Killed between the verdict and its note: the state after the round counts all the same."""
    seen = []
    works = performing(OptTreatment.CONTINUE_LOCAL)

    def perform(job: SiteJob, model: Tensors) -> SiteReport:
        seen.append([int(v[0]) for v in job.local_state.values()])
        return works(job, model)

    class Mute(BoardConnection):
        def deliver(self, delivery: Any) -> str:
            super().deliver(delivery)
            self.close()
            raise GaveUp("killed")

    world.connection = Mute(world.board, "a", world.folder / "spool")
    with world.living(perform) as thread:
        world.board.post("a", world.work(0))
        world.next()
        thread.join(20)
        world.kill(thread)
    world.board._farewell = None
    world.board.post("a", replace(world.work(1, 1.0)))
    with world.living(perform):
        world.next()

    assert seen == [[], [1]]


def test_a_work_that_failed_is_not_tried_again_because_the_stream_was_lost(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    began, go_on, count = threading.Event(), threading.Event(), []
    works = performing()

    def perform(job: SiteJob, model: Tensors) -> SiteReport:
        count.append(job.round)
        began.set()
        assert go_on.wait(20)
        if job.round == 0:
            raise ValueError("no")
        return works(job, model)

    with world.living(perform):
        world.board.post("a", world.work(0))
        assert began.wait(20)
        world.connection.cut()
        threading.Event().wait(0.2)
        go_on.set()
        assert world.next(Failed).reason == "the site says: ValueError; the site's log tells more"
        threading.Event().wait(0.2)
        world.board.post("a", world.work(1, 1.0))
        world.next()

    assert count == [0, 1] and caplog.text.count("not done") == 1
