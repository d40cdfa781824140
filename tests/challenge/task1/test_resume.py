"""What a resume refuses leaves the run as it was; what it takes up ends as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from faulty_disk import Death, FaultyDisk
from plus_one_engine import PlusOneEngine, Silent, configuration, plus_one_engine, results, surroundings

from challenge.config import Task1Config
from challenge.records.verify import verify
from challenge.task1.engine import Engine
from challenge.task1.executors import Room
from challenge.task1.inputs import Inputs
from challenge.task1.run import resume, start
from challenge.task1.surroundings import Surroundings
from fl_core.errors import FederationError
from tasks.task1_aggregation.checkpoint import CheckpointError

FORGETFUL = """
print("loaded")
calls = []
def aggregate(context, model, updates):
    calls.append(context.round)
    return {name: array + array.dtype.type(len(calls)) for name, array in model.items()}
"""


def with_engine(change: Callable[[Engine], Engine]) -> Surroundings:
    """Return surroundings whose engine was changed."""

    @contextmanager
    def changed(config: Task1Config, inputs: Inputs, room: Room) -> Iterator[Engine]:
        with plus_one_engine(config, inputs, room) as engine:
            yield change(engine)

    return replace(surroundings(), engine=changed)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def facts(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "record.json").read_text())["facts"]
    return found


def test_more_rounds_that_are_refused_leave_a_finished_run_finished(tmp_path: Path, tiny_data: Path) -> None:
    submission, folder = tmp_path / "team.py", tmp_path / "run"
    submission.write_text(FORGETFUL)
    start(configuration(tiny_data, rounds=2, submission=submission), folder, surroundings())
    before = contents(folder)
    submission.write_text(FORGETFUL + "# another\n")

    with pytest.raises(CheckpointError, match="submission changed"):
        resume(folder, 4, None, True, surroundings())

    assert contents(folder) == before
    assert verify(folder, ()).intact


def test_more_rounds_change_nothing_when_the_horizon_has_ended_the_run(
    tmp_path: Path, tiny_data: Path
) -> None:
    folder = tmp_path / "run"
    start(configuration(tiny_data, rounds=50, horizon_s=900.0), folder, surroundings())
    before = results(folder)
    assert len(before["rounds.csv"].splitlines()) < 50

    resume(folder, 60, None, True, surroundings())

    after = results(folder)
    assert yaml.safe_load(after.pop("config.yaml"))["rounds"] == 60
    assert {**after, "config.yaml": before["config.yaml"]} == before
    assert verify(folder, ()).intact


def test_a_run_whose_rounds_are_over_needs_no_strategy_to_be_finished(
    tmp_path: Path, tiny_data: Path
) -> None:
    submission = tmp_path / "team.py"
    submission.write_text(FORGETFUL)
    config = configuration(tiny_data, rounds=2, submission=submission, isolation="none", replay_limit_mib=0.0)
    disk = FaultyDisk()
    start(config, tmp_path / "whole", surroundings(disk))
    late = next(step for step, name in enumerate(disk.steps) if name == "rename cases.csv")
    with pytest.raises(Death):
        start(config, tmp_path / "run", surroundings(FaultyDisk(late)))

    resume(tmp_path / "run", None, None, True, surroundings())

    assert results(tmp_path / "run") == results(tmp_path / "whole")
    assert facts(tmp_path / "run")["resumed_exactly"] is True


def test_another_device_is_refused(tmp_path: Path, tiny_data: Path) -> None:
    folder = tmp_path / "run"
    disk = FaultyDisk()
    start(configuration(tiny_data), tmp_path / "probe", surroundings(disk))
    with pytest.raises(Death):
        start(
            configuration(tiny_data),
            folder,
            surroundings(FaultyDisk(disk.steps.index("rename rounds.csv"))),
        )

    with pytest.raises(CheckpointError, match=r"device changed since the run began \(cpu then, cuda now\)"):
        resume(folder, None, None, True, with_engine(lambda engine: replace(engine, device="cuda")))
    assert resume(folder, None, None, True, surroundings()) is not None


def test_the_password_of_a_tracking_uri_stands_in_no_file(tmp_path: Path, tiny_data: Path) -> None:
    def fails(engine: Engine) -> Engine:
        raise OSError("no more")

    folder, config = tmp_path / "run", configuration(tiny_data, tracking_uri="http://ann:secret@board/")
    with pytest.raises(OSError, match="no more"):
        start(config, folder, with_engine(fails))

    assert "http://***@board/" in (folder / "config.yaml").read_text()
    assert not any(b"secret" in content for content in contents(folder).values())

    terminal = Silent()
    with pytest.raises(OSError, match="no more"):
        resume(folder, None, None, True, replace(with_engine(fails), terminal=terminal))
    assert any("--tracking-uri" in line for line in terminal.lines)


class Hopeless(PlusOneEngine):
    """Begins with a model that no training mends."""

    def initial(self, config: Task1Config) -> dict[str, Any]:
        return {name: np.full_like(array, np.nan) for name, array in super().initial(config).items()}


def test_a_run_without_any_finite_score_is_recorded_all_the_same(tmp_path: Path, tiny_data: Path) -> None:
    around = with_engine(
        lambda e: Hopeless(e.executor, workers=e.workers, device=e.device, plan=e.plan, settings=e.settings)
    )
    config = configuration(tiny_data, rounds=2, test_fraction=0.0)
    start(config, tmp_path / "run", around)

    found = facts(tmp_path / "run")["results"]
    assert "best_score" not in found and "validation_dice_wt" not in found
    assert found["convergence_score"] == -1.0
    assert verify(tmp_path / "run", ()).intact


CHATTY = """
import threading
import time

def select_sites(context):
    return context.names

def chat():
    while True:
        print("more to say", flush=True)
        time.sleep(0.001)

threading.Thread(target=chat, daemon=True).start()
"""


def test_a_submission_that_never_stops_printing_cannot_spoil_the_record(
    tmp_path: Path, tiny_data: Path
) -> None:
    submission = tmp_path / "team.py"
    submission.write_text(CHATTY)
    config = configuration(tiny_data, rounds=1, submission=submission, limits={"log_mib": 1000.0})

    start(config, tmp_path / "run", surroundings())

    assert (tmp_path / "run" / "strategy.log").stat().st_size > 0
    assert verify(tmp_path / "run", ()).intact


def test_an_unreadable_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(FederationError, match="there is no run"):
        resume(tmp_path / "nowhere", None, None, True, surroundings())
