"""A run's life on the "+1" trainer: repeat, resume, extend, and refuse with a reason."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
import yaml
from faulty_disk import Death, FaultyDisk
from plus_one_engine import Silent, configuration, results, surroundings

from challenge.config import ConfigError, parse_config, read_config
from challenge.records.verify import verify
from challenge.task1.run import resume, start
from fl_core.durable import Disk
from fl_core.tensors.codec import read_file
from tasks.task1_aggregation.checkpoint import CheckpointError
from tasks.task1_aggregation.errors import StrategyError

FORGETFUL = """
import random
calls = []
def aggregate(context, model, updates):
    calls.append(context.round)
    return {name: array + array.dtype.type(len(calls)) for name, array in model.items()}
"""


def stop_after(folder: Path, rounds: int, data: Path, **values: object) -> None:
    """Begin a run and die after a number of committed rounds."""
    probe = FaultyDisk()
    start(configuration(data, **values), folder.with_name(folder.name + "-probe"), surroundings(probe))
    commits = [step for step, name in enumerate(probe.steps) if name == "rename state.json"]
    with pytest.raises(Death):
        start(
            configuration(data, **values),
            folder,
            surroundings(FaultyDisk(commits[rounds - 1] + 1, "after")),
        )


def test_the_same_seed_gives_the_same_bytes_and_the_config_repeats_the_run(
    tmp_path: Path, tiny_data: Path
) -> None:
    config = configuration(tiny_data, outages="severe", seed=5)
    start(config, tmp_path / "a", surroundings())
    start(config, tmp_path / "b", surroundings())
    again = parse_config(read_config(tmp_path / "a" / "config.yaml"), "config.yaml")
    start(again, tmp_path / "c", surroundings())

    assert results(tmp_path / "a") == results(tmp_path / "b") == results(tmp_path / "c")


def test_the_folder_holds_what_the_design_says(tmp_path: Path, tiny_data: Path) -> None:
    start(configuration(tiny_data), tmp_path / "run", surroundings())

    folder = tmp_path / "run"
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "config.yaml", "rounds.csv", "sites.csv", "cases.csv", "model.safetensors", "figures",
        "record.json", "checkpoint", "log.jsonl", "partition.csv",
    }  # fmt: skip
    rounds = (folder / "rounds.csv").read_text().splitlines()
    assert rounds[0] == (
        "round,status,simulated_time_s,round_time_s,round_score,dice_wt,dice_tc,dice_et,best_score,"
        "convergence_score,selected,received,dropped,bytes"
    )
    assert [line.split(",")[0] for line in rounds[1:]] == ["0", "1", "2", "3"]
    sites = (folder / "sites.csv").read_text().splitlines()
    assert sites[0] == (
        "round,site,status,start_s,time_s,n_train,n_validate,epochs,staleness,bytes_down,bytes_up,"
        "loss,dice_wt,dice_tc,dice_et"
    )
    assert len(sites) == 1 + 3 * 3
    cases = (folder / "cases.csv").read_text().splitlines()
    assert cases[0].startswith("submission,seed,site,case,status,dice_wt,dice_tc,dice_et,hd95_wt")
    assert len(cases) == 1 + 3
    record = json.loads((folder / "record.json").read_text())
    assert set(record["files"]) == {
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_file() and "checkpoint" not in p.parts and p.name != "record.json"
    }
    assert record["facts"]["horizon_s"] == 604800.0
    model, metadata = read_file(folder / "model.safetensors")
    assert metadata == {"schema": "model/1", "round": 3}
    assert (model["weight"] == 3.5).all()


def test_the_split_is_written_with_every_choice_made(tmp_path: Path, tiny_data: Path) -> None:
    start(configuration(tiny_data), tmp_path / "run", surroundings())

    csv = tmp_path / "run" / "partition.csv"
    parts = [line.split(",")[2] for line in csv.read_text().splitlines()[1:]]
    assert parts.count("test") == 3 and parts.count("val") == 3 and parts.count("train") == 4

    start(configuration(tiny_data, partition=str(csv), seed=77), tmp_path / "again", surroundings())
    assert (tmp_path / "again" / "partition.csv").read_bytes() == csv.read_bytes()


def test_a_finished_run_is_left_alone(tmp_path: Path, tiny_data: Path) -> None:
    folder = tmp_path / "run"
    start(configuration(tiny_data), folder, surroundings())
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert resume(folder, None, None, True, surroundings()) is None
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("score_every", [1, 3])
def test_more_rounds_can_be_added(tmp_path: Path, tiny_data: Path, score_every: int) -> None:
    values = {"score_every": score_every}
    start(configuration(tiny_data, rounds=2, **values), tmp_path / "short", surroundings())
    start(configuration(tiny_data, rounds=4, **values), tmp_path / "long", surroundings())

    resume(tmp_path / "short", 4, None, True, surroundings())

    assert results(tmp_path / "short") == results(tmp_path / "long")
    assert verify(tmp_path / "short", ()).intact
    with pytest.raises(ConfigError, match="can only add"):
        resume(tmp_path / "short", 3, None, True, surroundings())


def test_a_resume_refuses_what_changed(tmp_path: Path, tiny_data: Path) -> None:
    submission = tmp_path / "team.py"
    submission.write_text(FORGETFUL)
    folder = tmp_path / "run"
    stop_after(folder, 1, tiny_data, submission=submission, isolation="none")

    submission.write_text(FORGETFUL + "\n# better\n")
    with pytest.raises(CheckpointError, match="submission changed"):
        resume(folder, None, None, True, surroundings())
    submission.write_text(FORGETFUL)

    config = folder / "config.yaml"
    original = config.read_text()
    config.write_text(yaml.safe_dump({**yaml.safe_load(original), "seed": 8}))
    with pytest.raises(CheckpointError, match="config"):
        resume(folder, None, None, True, surroundings())
    config.write_text(original)

    assert resume(folder, None, None, True, surroundings()) is not None


def test_a_damaged_checkpoint_is_named(tmp_path: Path, tiny_data: Path) -> None:
    folder = tmp_path / "run"
    stop_after(folder, 2, tiny_data)
    stored = next(iter((folder / "checkpoint").glob("*.safetensors")))
    content = bytearray(stored.read_bytes())
    content[-1] ^= 1
    stored.write_bytes(bytes(content))

    with pytest.raises(CheckpointError, match="its content was changed"):
        resume(folder, None, None, True, surroundings())


def test_variables_of_a_submission_are_rebuilt_by_replay(tmp_path: Path, tiny_data: Path) -> None:
    submission = tmp_path / "team.py"
    submission.write_text(FORGETFUL)
    values = {"submission": submission, "isolation": "none"}
    start(configuration(tiny_data, **values), tmp_path / "whole", surroundings())

    for rounds in (1, 2, 3):
        folder = tmp_path / f"stopped-{rounds}"
        stop_after(folder, rounds, tiny_data, **values)
        resume(folder, None, None, True, surroundings())
        assert results(folder) == results(tmp_path / "whole")


def test_past_the_cap_a_run_says_so_and_resumes_only_when_told(tmp_path: Path, tiny_data: Path) -> None:
    submission = tmp_path / "team.py"
    submission.write_text(FORGETFUL)
    folder, terminal = tmp_path / "run", Silent()
    values = {"submission": submission, "isolation": "none", "replay_limit_mib": 0.0}
    stop_after(folder, 1, tiny_data, **values)

    with pytest.raises(CheckpointError, match="resume-without-replay"):
        resume(folder, None, None, True, surroundings())
    resume(folder, None, None, False, surroundings(terminal=terminal))

    facts = json.loads((folder / "record.json").read_text())["facts"]
    assert facts["resumed_exactly"] is False and facts["official"] is False
    assert facts["resumed_at_rounds"] == [1]
    assert any("lost what it kept in variables" in line for line in terminal.lines)
    told = Silent()
    start(configuration(tiny_data, **values), tmp_path / "other", surroundings(terminal=told))
    assert any("cannot be resumed exactly" in line for line in told.lines)


def test_a_replay_that_answers_otherwise_is_refused(tmp_path: Path, tiny_data: Path) -> None:
    flag = tmp_path / "flag"
    submission = tmp_path / "team.py"
    submission.write_text(
        "from pathlib import Path\n"
        "def aggregate(context, model, updates):\n"
        f"    step = 2 if Path({str(flag)!r}).exists() else 1\n"
        "    return {n: a + a.dtype.type(step) for n, a in model.items()}\n"
    )
    folder = tmp_path / "run"
    stop_after(folder, 2, tiny_data, submission=submission, isolation="none")
    flag.touch()

    with pytest.raises(CheckpointError, match="aggregate of round 0 answers otherwise"):
        resume(folder, None, None, True, surroundings())


class FullDisk(Disk):
    """No space left after some writes."""

    def __init__(self, room: int) -> None:
        self._room = room

    def _put(self, handle: int, content: bytes) -> None:
        self._room -= 1
        if self._room < 0:
            os.write(handle, content[:1])
            raise OSError(errno.ENOSPC, "No space left on device")
        super()._put(handle, content)


@pytest.mark.parametrize("room", [2, 4, 7, 9, 13])
def test_a_full_disk_loses_nothing(tmp_path: Path, tiny_data: Path, room: int) -> None:
    start(configuration(tiny_data), tmp_path / "whole", surroundings())
    folder = tmp_path / "run"

    with pytest.raises(OSError, match="No space left"):
        start(configuration(tiny_data), folder, surroundings(FullDisk(room)))
    resume(folder, None, None, True, surroundings())

    assert results(folder) == results(tmp_path / "whole")


def test_an_error_of_the_submission_keeps_the_rounds_before_it(tmp_path: Path, tiny_data: Path) -> None:
    submission = tmp_path / "team.py"
    submission.write_text(
        "def select_sites(context):\n    return ['9'] if context.round == 2 else context.names\n"
    )
    folder = tmp_path / "run"

    with pytest.raises(StrategyError, match="select_sites: no site is called '9'"):
        start(configuration(tiny_data, submission=submission, isolation="none"), folder, surroundings())

    rounds = (folder / "rounds.csv").read_text().splitlines()
    assert len(rounds) == 3


def test_a_folder_in_use_is_refused(tmp_path: Path, tiny_data: Path) -> None:
    folder = tmp_path / "run"
    start(configuration(tiny_data), folder, surroundings())

    with pytest.raises(ConfigError, match="not empty"):
        start(configuration(tiny_data), folder, surroundings())
    with pytest.raises(ConfigError, match="there is no run"):
        resume(tmp_path, None, None, True, surroundings())


def test_two_processes_cannot_resume_one_run(tmp_path: Path, tiny_data: Path) -> None:
    from challenge.task1.run_folder import RunFolder

    folder = tmp_path / "run"
    stop_after(folder, 1, tiny_data)

    with RunFolder(folder).locked(), pytest.raises(ConfigError, match="another process"):
        resume(folder, None, None, True, surroundings())
