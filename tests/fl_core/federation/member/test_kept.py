"""What a site keeps: through kill -9, power losses, two processes, other plans."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faulty_disk import Death, FaultyDisk

from fl_core.durable import Disk
from fl_core.executor.base import TaskReport
from fl_core.federation.kept import MOST, InUse, Kept, KeptError, name_of, open_kept
from fl_core.tensors.checksum import file_checksum
from fl_core.tensors.codec import read_file
from fl_core.transport.messages import BlobRef, Work

PLAN = "sha256:" + "0" * 64
MODEL = BlobRef("xxh3:" + "a" * 32, 8)
REPORTS = (TaskReport("train", {"loss": 0.1, "odd": float("nan")}, 3, trains=True),)


def work(round: int, **changes: Any) -> Work:
    return Work(**{"key": f"k-{round}", "round": round, "tasks": ("train",), "model": MODEL, **changes})


def state(value: float) -> dict[str, Any]:
    return {"optimizer/steps": np.array([value])}


def update(value: float) -> dict[str, Any]:
    return {"w": np.full(3, value, np.float32)}


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    """A function that opens the folder anew, as a process that starts does."""
    with ExitStack() as stack:

        def reopen(plan: str = PLAN, disk: Disk | None = None) -> Kept:
            stack.close()
            return stack.enter_context(open_kept(tmp_path / "state", plan, disk))

        yield reopen


Opened = Callable[..., Kept]


def test_a_result_outlives_the_process_with_its_bytes(opened: Opened, tmp_path: Path) -> None:
    kept = opened().keep(work(0), REPORTS, update=update(1), local_state={}, wall_s=1.5)

    again = opened().result(work(0))

    assert again is not None and again.update is not None
    assert again.delivery.update == kept.delivery.update
    assert again.delivery.reports[0].metrics["loss"] == 0.1
    assert np.isnan(again.delivery.reports[0].metrics["odd"])
    assert (again.delivery.wall_s, again.delivery.key, again.delivery.round) == (1.5, "k-0", 0)
    assert again.delivery.reports[0].trains and again.delivery.reports[0].samples == 3
    assert read_file(again.update)[0]["w"].tolist() == [1, 1, 1]
    assert file_checksum(again.update) == again.delivery.update.checksum
    assert again.delivery.local_state is None and again.local_state is None


@pytest.mark.parametrize(
    "other",
    [
        {"key": "k-1"},
        {"round": 1},
        {"tasks": ("train", "validate")},
        {"model": BlobRef("xxh3:" + "b" * 32, 8)},
        {"settings": {"train": {"lr": 0.1}}},
        {"local_names": ("w",)},
        {"extras": MODEL},
        {"local_state": MODEL},
    ],
)
def test_only_exactly_the_same_work_is_answered(opened: Opened, other: dict[str, Any]) -> None:
    kept = opened()
    kept.keep(work(0), REPORTS, update=update(1))

    assert kept.result(work(0)) is not None
    changed = replace(work(0), **other)
    assert kept.result(changed) is None
    assert name_of(changed) != name_of(work(0))


@pytest.mark.parametrize("damage", ["torn", "flipped", "gone", "record", "empty record"])
def test_after_a_power_loss_the_work_is_done_again(opened: Opened, damage: str, tmp_path: Path) -> None:
    result = opened().keep(work(0), REPORTS, update=update(1))
    record = next((tmp_path / "state").glob("result-*.json"))
    assert result.update is not None
    content = bytearray(result.update.read_bytes())
    match damage:
        case "torn":
            result.update.write_bytes(content[:-4])
        case "flipped":
            content[-1] ^= 1
            result.update.write_bytes(content)
        case "gone":
            result.update.unlink()
        case "record":
            record.write_text(record.read_text()[:50])
        case _:
            record.write_bytes(b"")

    kept = opened()

    assert kept.result(work(0)) is None
    assert kept.result(work(0)) is None and not list((tmp_path / "state").glob("result-*"))
    kept.keep(work(0), REPORTS, update=update(1))
    assert kept.result(work(0)) is not None


def test_the_state_counts_from_the_round_that_was_taken(opened: Opened) -> None:
    kept = opened()
    kept.accepted(kept.keep(work(0), REPORTS, update=update(1), local_state=state(1)))
    second = kept.keep(work(1), REPORTS, update=update(2), local_state=state(2))
    assert kept.local_state(2)["optimizer/steps"].tolist() == [1]

    kept = opened()
    assert kept.local_state(0) == {}
    assert kept.local_state(1)["optimizer/steps"].tolist() == [1]
    assert kept.local_state(2)["optimizer/steps"].tolist() == [1]

    kept.accepted(second)
    assert kept.local_state(1)["optimizer/steps"].tolist() == [1]
    assert kept.local_state(2)["optimizer/steps"].tolist() == [2]
    assert kept.local_state(9)["optimizer/steps"].tolist() == [2]


def test_a_refused_result_leaves_no_state(opened: Opened, tmp_path: Path) -> None:
    kept = opened()
    kept.accepted(kept.keep(work(0), REPORTS, update=update(1), local_state=state(1)))
    kept.refused(kept.keep(work(1), REPORTS, update=update(2), local_state=state(2)))

    assert kept.result(work(1)) is None
    assert opened().local_state(2)["optimizer/steps"].tolist() == [1]
    assert len(list((tmp_path / "state").glob("state-*"))) == 1


def test_an_empty_state_takes_the_place_of_a_full_one(opened: Opened) -> None:
    kept = opened()
    kept.accepted(kept.keep(work(0), REPORTS, update=update(1), local_state=state(1)))
    kept.accepted(kept.keep(work(1), REPORTS, update=update(2), local_state={}))

    assert opened().local_state(2) == {}


def test_release_forgets_what_no_later_round_needs(opened: Opened, tmp_path: Path) -> None:
    kept = opened()
    for number in range(4):
        kept.accepted(kept.keep(work(number), REPORTS, update=update(number), local_state=state(number)))

    kept.release(2)

    assert [kept.result(work(number)) is not None for number in range(4)] == [False, False, False, True]
    assert kept.local_state(3)["optimizer/steps"].tolist() == [2]
    assert kept.local_state(4)["optimizer/steps"].tolist() == [3]
    assert kept.local_state(2) == {}
    folder = tmp_path / "state"
    assert len(list(folder.glob("update-*"))) == 1 and len(list(folder.glob("state-*"))) == 2


def test_without_releases_the_folder_stays_bounded(opened: Opened, tmp_path: Path) -> None:
    kept = opened()
    for number in range(MOST + 5):
        kept.keep(work(number), REPORTS, update=update(number))

    assert len(list((tmp_path / "state").glob("update-*"))) == MOST
    assert kept.result(work(4)) is None and kept.result(work(5)) is not None


def test_undecided_are_those_of_which_nobody_heard(opened: Opened) -> None:
    kept = opened()
    kept.accepted(kept.keep(work(0), REPORTS))
    kept.keep(work(1), REPORTS)
    kept.keep(work(2), REPORTS)

    kept = opened()
    assert [result.delivery.round for result in kept.undecided(1)] == [1]
    assert [result.delivery.round for result in kept.undecided(5)] == [1, 2]


def test_a_state_that_leaves_the_site_has_a_file(opened: Opened) -> None:
    kept = opened()
    shared = kept.keep(
        work(0), REPORTS, local_state=state(4), shares_local_state=True, holds_local_state=False
    )

    assert shared.local_state is not None and shared.delivery.local_state is not None
    assert read_file(shared.local_state)[0]["optimizer/steps"].tolist() == [4]
    kept.accepted(shared)
    assert kept.local_state(1) == {}, "the aggregator holds it"
    empty = kept.keep(work(1), REPORTS, local_state={}, shares_local_state=True)
    assert empty.delivery.local_state is None


def test_the_farewell_is_read_once_and_belongs_to_a_plan(opened: Opened) -> None:
    kept = opened()
    assert kept.farewell is None
    kept.keep(work(0), REPORTS, update=update(1))
    kept.accepted(kept.keep(work(1), REPORTS, local_state=state(1)))
    kept.note_farewell("over after 3 rounds")

    assert opened().farewell == "over after 3 rounds"
    other = opened(plan="sha256:" + "1" * 64)
    assert other.farewell is None and other.result(work(0)) is None and other.local_state(5) == {}
    assert opened().farewell is None, "the folder belongs to the newest plan"


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        open_kept(tmp_path / "state", PLAN),
        pytest.raises(InUse, match=r"another process \(id \d+\) works for this site"),
        open_kept(tmp_path / "state", PLAN),
    ):
        pass
    with open_kept(tmp_path / "state", PLAN):
        assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "update-torn.safetensors").write_bytes(b"x")
    with open_kept(tmp_path, PLAN):
        assert (tmp_path / "notes.txt").read_text() == "mine"
        assert not (tmp_path / "update-torn.safetensors").exists()


@pytest.mark.parametrize("file", ["state", "local.json", "site.json"])
def test_damage_that_nothing_can_mend_is_an_error(opened: Opened, file: str, tmp_path: Path) -> None:
    kept = opened()
    kept.accepted(kept.keep(work(0), REPORTS, local_state=state(1)))
    folder = tmp_path / "state"
    path = next(folder.glob("state-*")) if file == "state" else folder / file
    path.write_bytes(path.read_bytes()[:-3])

    with pytest.raises(KeptError, match=r"damaged .* restore .* or remove it"):
        opened().local_state(1)


def test_a_file_of_another_version_is_named(opened: Opened, tmp_path: Path) -> None:
    opened()
    site = tmp_path / "state" / "site.json"
    site.write_text(json.dumps({"schema": "site/9", "plan": PLAN}))

    with pytest.raises(KeptError, match="site/1"):
        opened()


def _life(folder: Path, disk: Disk) -> None:
    """Two rounds, whatever an earlier life of the process got done."""
    with open_kept(folder, PLAN, disk) as kept:
        for number in range(2):
            result = kept.result(work(number))
            if result is None:
                before = kept.local_state(number).get("optimizer/steps", np.array([0.0]))
                after = {"optimizer/steps": before + 1}
                result = kept.keep(work(number), REPORTS, update=update(number), local_state=after)
            kept.accepted(result)
        kept.release(0)
        kept.note_farewell("over")


def _found(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.name != "lock"}


@pytest.mark.parametrize("when", ["before", "torn", "after"])
def test_a_death_at_any_durable_step_changes_nothing(tmp_path: Path, when: str) -> None:
    disk = FaultyDisk()
    _life(tmp_path / "whole", disk)
    expected = _found(tmp_path / "whole")
    assert len(disk.steps) > 15

    for step in range(len(disk.steps)):
        folder = tmp_path / f"{step}"
        try:
            _life(folder, FaultyDisk(step, when))
        except Death:
            _life(folder, Disk())
        with open_kept(folder, PLAN) as kept:
            assert kept.local_state(2)["optimizer/steps"].tolist() == [2.0], step
            assert kept.farewell == "over"
        assert _found(folder) == expected, step
