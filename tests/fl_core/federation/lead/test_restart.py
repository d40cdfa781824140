"""What a second process takes over from the first, beside the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lead_world import PATIENCE, World, in_process, initial_model, terms

from fl_core.aggregator.journal import Journal
from fl_core.durable import Disk
from fl_core.federation import progress
from fl_core.straggler.cutoff import Cutoff
from fl_core.tensors.codec import encode
from fl_core.transport.messages import Release

SHORT = replace(PATIENCE, linger_s=0.3)


def _stopped_after_a_drop(world: World) -> None:
    """Lead until b has failed in round 0, and stop; c has not answered."""
    world.sites["b"]._change = lambda work, report: replace(report, reports=())
    world.sites["c"]._change = lambda work, report: None

    def watch(told: progress.Progress) -> None:
        if isinstance(told, progress.SiteDropped):
            lead.stop()

    with world.state() as state, world.lead(state, watch) as lead:
        for site in world.sites.values():
            site.connect(lead.board, lead.spool)
        assert not lead.run().finished
        for site in world.sites.values():
            site.leave()


def test_a_site_that_was_dropped_stays_out_of_the_round(tmp_path: Path) -> None:
    world = World(tmp_path, terms(2), patience=SHORT)
    _stopped_after_a_drop(world)
    for name in ("b", "c"):
        world.sites[name] = world.site(name)
    assert world.run().finished
    assert [row["received"] for row in world.rows()] == ["2", "3", "3"]
    assert [key[0] for key in world.sites["b"].done] == ["1", "2"]
    assert encode(world.model()) == encode(in_process(world.terms))


def test_a_site_that_came_to_the_first_process_only_is_waited_for_at_the_end(tmp_path: Path) -> None:
    agreed = terms(1, straggler=Cutoff(0.2))
    world = World(tmp_path, agreed, patience=SHORT)
    _stopped_after_a_drop(world)
    del world.sites["c"]
    world.sites["b"] = world.site("b")
    ended = world.run()
    assert ended.finished
    assert ended.untold == ("c",)


def test_a_journal_of_another_model_is_not_gone_on_with(tmp_path: Path) -> None:
    world = World(tmp_path, terms(1))
    with world.state() as state:
        world.lead(state).close()
    about = {"round": 0, "model": "xxh3:" + "0" * 32, "tasks": {"a": ["validate"]}}
    Journal.begin(tmp_path / "state" / "journal-0.jsonl", about, Disk())
    assert world.run().finished
    assert world.rows()[0]["selected"] == "3"
    assert encode(world.model()) == encode(in_process(world.terms))


@pytest.mark.parametrize("which", ["best", "last"])
def test_outputs_that_a_crash_kept_from_being_written_are_made_good(tmp_path: Path, which: str) -> None:
    world = World(tmp_path, terms(2), patience=SHORT)
    world.run()
    expected = world.result()
    path = tmp_path / "save" / f"{which}.safetensors"
    path.unlink()
    path.write_bytes(encode(initial_model()))
    world.run()
    assert world.result() == expected


def test_sites_are_released_round_by_round_and_only_after_the_commit(tmp_path: Path) -> None:
    world = World(tmp_path, terms(2))
    released: list[bool] = []

    def watch(told: progress.Progress) -> None:
        if isinstance(told, progress.RoundEnded):
            released.append(
                (tmp_path / "state" / f"model-{min(told.row.round + 1, 2)}.safetensors").is_file()
            )

    with world.state() as state, world.lead(state, watch) as lead:
        for site in world.sites.values():
            site.connect(lead.board, lead.spool)
        lead.run()
        for site in world.sites.values():
            site.leave()
    assert released == [True, True, True]
    heard = [told.round for told in world.sites["a"].heard if isinstance(told, Release)]
    assert heard == sorted(heard)
    assert heard[-1] == 2
    assert {0, 1} & set(heard)
