"""How a federation ends, is stopped, and what a second start says."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from lead_world import PATIENCE, World, in_process, terms

from fl_core.durable import Disk
from fl_core.errors import FederationError, InputError
from fl_core.federation import progress
from fl_core.federation.state_folder import InUse, OtherPlan, StateFolder
from fl_core.tensors.codec import encode
from fl_core.transport.messages import Farewell, Release


def test_every_site_hears_the_farewell_and_the_lead_ends_before_the_time_is_over(tmp_path: Path) -> None:
    world = World(tmp_path, terms(1), patience=replace(PATIENCE, linger_s=600))
    ended = world.run()
    assert ended.untold == ()
    for site in world.sites.values():
        [farewell] = [heard for heard in site.heard if isinstance(heard, Farewell)]
        assert farewell.text == ended.text
        assert "over after 1 rounds" in farewell.text
    assert world.seen[-1] == ended


def test_a_site_that_does_not_read_it_is_waited_for_and_named(tmp_path: Path) -> None:
    world = World(tmp_path, terms(1), patience=replace(PATIENCE, linger_s=0.3))
    world.sites["b"] = world.site("b", reads_farewell=False)
    before = time.monotonic()
    ended = world.run()
    assert time.monotonic() - before >= 0.3
    assert ended.finished
    assert ended.untold == ("b",)
    assert world.of(progress.WaitingForFarewell)[-1].sites == ("b",)


def test_a_second_start_of_a_finished_federation_says_so_and_changes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, terms(2), patience=replace(PATIENCE, linger_s=0.3))
    world.run()
    before = {
        path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"
    }
    late = world.site("c")
    world.sites = {"c": late}
    world.seen.clear()
    ended = world.run()
    after = {
        path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"
    }
    assert after == before
    assert world.seen[0] == progress.Began("f00d", 2, 3, resumed=True, finished=True)
    assert ended.finished and ended.untold == ("a", "b")
    assert [type(heard) for heard in late.heard] == [Release, Farewell]


def test_a_stopped_lead_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    world = World(tmp_path, terms(4))

    def watch(told: progress.Progress) -> None:
        world.seen.append(told)
        if isinstance(told, progress.SiteDelivered) and told.row.round == 2:
            lead.stop()

    with world.state() as state, world.lead(state, watch) as lead:
        for site in world.sites.values():
            site.connect(lead.board, lead.spool)
        ended = lead.run()
        for site in world.sites.values():
            site.leave()
    # A round whose last results were taken in the same moment is closed.
    closed = len(world.rows())
    assert closed in (2, 3)
    assert not ended.finished
    assert ended.text == f"stopped in round {closed} of 4; start again to go on from here"
    world.seen.clear()
    assert world.run().finished
    assert world.seen[0] == progress.Began("f00d", 4, closed, resumed=True, finished=False)
    assert encode(world.model()) == encode(in_process(world.terms))
    assert [row["round"] for row in world.rows()] == ["0", "1", "2", "3", "4"]


def test_another_plan_is_refused_with_how_to_mend(tmp_path: Path) -> None:
    world = World(tmp_path, terms(1))
    world.run()
    world.terms = replace(world.terms, plan_hash="sha256:" + "6" * 64)
    with world.state() as state, pytest.raises(OtherPlan, match="move the folder away") as refused:
        world.lead(state)
    assert "555555555555" in str(refused.value) and "666666666666" in str(refused.value)


def test_two_aggregators_do_not_share_a_folder(tmp_path: Path) -> None:
    world = World(tmp_path, terms(1))
    with world.state(), pytest.raises(InUse, match="another aggregator"):
        world.state()
    world.state().close()


def test_a_model_that_was_changed_on_disk_is_an_error_that_names_it(tmp_path: Path) -> None:
    world = World(tmp_path, terms(1))
    world.run()
    model = tmp_path / "state" / "model-1.safetensors"
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    with world.state() as state, pytest.raises(FederationError, match=r"model-1\.safetensors"):
        world.lead(state)


def test_a_missing_initial_model_tells_the_command_that_makes_one(tmp_path: Path) -> None:
    world = World(tmp_path, terms(1))
    world.initial.unlink()
    with world.state() as state, pytest.raises(InputError, match="fx plan initialize"):
        world.lead(state)


def test_a_state_file_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    path = tmp_path / "state" / "state.json"
    for content in ('{"schema": "federation-state/9"}', "[]", "{", '{"schema": "federation-state/1"}'):
        path.write_text(content)
        with (
            StateFolder(tmp_path / "state", Disk()) as state,
            pytest.raises(FederationError, match=r"state\.json"),
        ):
            state.standing("sha256:0")
