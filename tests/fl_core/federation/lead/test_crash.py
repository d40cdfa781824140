"""A lead that dies at any step of its writes goes on with the same round and ends with the same bytes."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from dying_disk import DyingDisk
from faulty_disk import Death
from lead_world import PATIENCE, World, terms

from fl_core.collaborator.settings import OptTreatment
from fl_core.durable import Disk
from fl_core.federation import progress
from fl_core.transport.board import Refusal
from fl_core.transport.messages import Delivery

SHORT = replace(PATIENCE, linger_s=0.5)


def _world(folder: Path, disk: Disk) -> World:
    agreed = terms(2, opt_treatment=OptTreatment.CONTINUE_GLOBAL)
    return World(folder, agreed, ("a", "b"), disk=disk, patience=SHORT)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, bytes]]:
    """How many steps the writes of a whole federation take, and what comes out."""
    disk = DyingDisk()
    world = _world(tmp_path_factory.mktemp("undisturbed"), disk)
    world.run()
    assert disk.steps.count("rename state.json") == 4  # the beginning, two rounds, the last validation
    return len(disk.steps), world.result()


def _dies_and_goes_on(folder: Path, step: int, when: str) -> World:
    """Lead a federation whose process dies at a step, and again until it is over.

    Rounds are committed beside the next round, so that the order of steps is not always the same, and a
    step at which to die torn may be one that cannot be torn.
    """
    world = _world(folder, DyingDisk(step, when))
    try:
        world.run()
        assert when == "torn"
    except Death:
        world.disk = Disk()
        assert world.run().finished
    return world


@pytest.mark.parametrize("when", ["before", "torn", "after"])
@pytest.mark.parametrize("eighth", range(8))
def test_a_death_at_some_steps_changes_no_byte(
    tmp_path: Path, undisturbed: tuple[int, dict[str, bytes]], eighth: int, when: str
) -> None:
    steps, expected = undisturbed
    assert _dies_and_goes_on(tmp_path, (eighth * steps) // 8, when).result() == expected


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "torn", "after"])
def test_a_death_at_every_step_changes_no_byte(
    tmp_path: Path, undisturbed: tuple[int, dict[str, bytes]], when: str
) -> None:
    steps, expected = undisturbed
    for step in range(steps):
        world = _dies_and_goes_on(tmp_path / str(step), step, when)
        assert world.result() == expected, step


def test_the_second_death_comes_while_the_first_is_mended(
    tmp_path: Path, undisturbed: tuple[int, dict[str, bytes]]
) -> None:
    steps, expected = undisturbed
    world = _world(tmp_path, DyingDisk(steps // 2, "after"))
    with pytest.raises(Death):
        world.run()
    for step in range(3, steps // 2, 7):
        world.disk = DyingDisk(step, "after")
        try:
            world.run()
            break
        except Death:
            continue
    world.disk = Disk()
    world.run()
    assert world.result() == expected


def test_results_that_arrived_before_the_death_count_without_their_sites(tmp_path: Path) -> None:
    agreed = terms(1)
    silent = World(tmp_path, agreed, changes={"c": lambda work, report: None})
    done: set[str] = set()

    def watch(told: progress.Progress) -> None:
        if isinstance(told, progress.SiteDelivered):
            done.add(told.row.site)
            if len(done) == 2:
                lead.stop()

    with silent.state() as state, silent.lead(state, watch) as lead:
        for site in silent.sites.values():
            site.connect(lead.board, lead.spool)
        assert not lead.run().finished
        for site in silent.sites.values():
            site.leave()
    assert done == {"a", "b"}
    again = World(tmp_path, agreed, patience=replace(SHORT, lost_after_s=1.0))
    del again.sites["a"], again.sites["b"]
    again.run()
    assert again.rows()[0]["received"] == "3"
    assert again.sites["c"].done[0].startswith("0.f00d.")


def test_an_update_that_was_damaged_on_disk_is_asked_for_again(tmp_path: Path) -> None:
    world = World(tmp_path, terms(1), ("a", "b"), patience=SHORT)
    expected = World(tmp_path / "plain", terms(1), ("a", "b"), patience=SHORT)
    expected.run()
    world.disk = DyingDisk()

    def watch(told: progress.Progress) -> None:
        if isinstance(told, progress.SiteDelivered):
            lead.stop()

    with world.state() as state, world.lead(state, watch) as lead:
        world.sites["a"].connect(lead.board, lead.spool)
        lead.run()
        world.sites["a"].leave()
    [update] = (tmp_path / "state" / "arrived" / "0" / "a").glob("*.safetensors")
    content = bytearray(update.read_bytes())
    content[-1] ^= 1
    update.write_bytes(content)
    world.disk = Disk()
    world.run()
    assert world.result() == expected.result()
    assert len(world.sites["a"].done) == 2  # once in the round, once the last model
    assert len(world.sites["a"].answers) == 3


@pytest.mark.parametrize("committed", [False, True])
def test_a_site_that_did_not_hear_that_its_results_count_hears_it_after_the_restart(
    tmp_path: Path, committed: bool
) -> None:
    world = World(tmp_path, terms(3), ("a", "b"), patience=SHORT)
    if not committed:
        world.sites["b"] = world.site("b")
        world.sites["b"]._change = lambda work, report: None
    handed_in: list[Delivery] = []

    def watch(told: progress.Progress) -> None:
        if isinstance(told, progress.SiteDelivered) and told.row.site == "a":
            handed_in.append(world.sites["a"]._kept[max(world.sites["a"]._kept)][0])
            if len(handed_in) == (2 if committed else 1):
                lead.stop()

    with world.state() as state, world.lead(state, watch) as lead:
        for site in world.sites.values():
            site.connect(lead.board, lead.spool)
        lead.run()
        for site in world.sites.values():
            site.leave()
    began = threading.Event()

    def begins(told: progress.Progress) -> None:
        if isinstance(told, progress.RoundBegan):
            began.set()

    with world.state() as state, world.lead(state, begins) as lead:
        thread = threading.Thread(target=lead.run)
        thread.start()
        assert began.wait(20)
        assert lead.board.answered("a", handed_in[-1]) == ""
        other = replace(handed_in[-1], wall_s=99.0)
        with pytest.raises(Refusal, match="other results"):
            lead.board.answered("a", other)
        lead.stop()
        thread.join(20)
