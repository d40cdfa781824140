"""The tracker on real SQLite stores of MLflow."""

import contextlib
import math
import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leaderboard.errors import TrackingError
from leaderboard.mlflow_store import connect, default_tracking_uri
from leaderboard.outbox import load_outbox
from leaderboard.tracking import Tracker, open_tracker

PATIENCE_S = 120


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that holds a template, made by the first store of this module."""
    folder = tmp_path_factory.mktemp("cache")
    runs = tmp_path_factory.mktemp("first")
    connect(default_tracking_uri(runs), "challenge/task1", runs, folder)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def client(runs: Path, template: Path) -> Iterator[Any]:
    yield connect(default_tracking_uri(runs), "challenge/task1", runs, template)[0]


def tracker_on(runs: Path, template: Path, run_id: str | None = None, run_key: str | None = None) -> Tracker:
    return open_tracker(
        default_tracking_uri(runs),
        experiment="challenge/task1",
        run_name="fedavg",
        run_id=run_id,
        lock_folder=runs,
        outbox=runs / "run" / "checkpoint" / "outbox.jsonl",
        run_key=run_key,
        template_folder=template,
    )


def history(client: Any, run_id: str, name: str) -> list[tuple[int, float]]:
    return sorted((entry.step, entry.value) for entry in client.get_metric_history(run_id, name))


def test_a_run_arrives_whole(runs: Path, template: Path, client: Any) -> None:
    folder = runs / "run"
    (folder / "figures").mkdir(parents=True)
    (folder / "checkpoint").mkdir()
    (folder / "rounds.csv").write_text("round\n0\n")
    (folder / "figures" / "timeline.svg").write_text("<svg/>")
    (folder / "checkpoint" / "state").write_text("x")
    (folder / "link").symlink_to(folder / "rounds.csv")

    tracker = tracker_on(runs, template)
    tracker.log_params({"seed": 7, "submission digest": "ab" * 32})
    tracker.log_round(0, {"score": 0.25, "dice@wt": 0.5, "loss": math.nan})
    tracker.log_round(1, {"score": 0.5, "dice@wt": math.inf, "loss": 2.0})
    tracker.log_artifacts(folder)
    tracker.finish()
    assert tracker.close(PATIENCE_S)

    assert tracker.run_id is not None
    run = client.get_run(tracker.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "fedavg"
    assert run.data.params == {"seed": "7", "submission digest": "ab" * 32}
    assert history(client, tracker.run_id, "score") == [(0, 0.25), (1, 0.5)]
    assert history(client, tracker.run_id, "dice_wt") == [(0, 0.5)]
    assert history(client, tracker.run_id, "loss") == [(1, 2.0)]
    assert run.data.tags["not_finite.loss"] == "round 0: nan"
    assert run.data.tags["not_finite.dice_wt"] == "round 1: inf"
    stored = runs / "mlartifacts" / tracker.run_id / "artifacts"
    assert sorted(path.relative_to(stored).as_posix() for path in stored.rglob("*") if path.is_file()) == [
        "figures/timeline.svg",
        "rounds.csv",
    ]
    assert tracker.problems == (f"{folder / 'link'} is a symbolic link and is not uploaded",)


def test_a_resumed_run_goes_on_with_each_step_once(runs: Path, template: Path, client: Any) -> None:
    first = tracker_on(runs, template)
    first.log_params({"seed": 7})
    first.log_round(0, {"score": 0.1})
    first.log_round(0, {"score": 0.9})
    first.finish("KILLED")
    assert first.close(PATIENCE_S)

    again = tracker_on(runs, template, run_id=first.run_id)
    again.log_params({"seed": 8, "rounds": 3})
    for step in range(3):
        again.log_round(step, {"score": 0.1 * (step + 1)})
    again.finish()
    assert again.close(PATIENCE_S)

    assert again.run_id == first.run_id
    assert history(client, str(first.run_id), "score") == [(0, 0.1), (1, 0.2), (2, pytest.approx(0.3))]
    run = client.get_run(first.run_id)
    assert run.data.params == {"seed": "7", "rounds": "3"}
    assert run.info.status == "FINISHED"
    assert again.problems == ("parameter seed is written once: it stays '7', not '8'",)


def test_the_key_finds_a_run_whose_id_was_never_kept(runs: Path, template: Path) -> None:
    first = tracker_on(runs, template, run_key="it's 1")
    other = tracker_on(runs, template, run_key="2")
    ids = {first.wait_for_run_id(PATIENCE_S), other.wait_for_run_id(PATIENCE_S)}
    assert len(ids) == 2
    assert first.close(PATIENCE_S)
    assert other.close(PATIENCE_S)
    again = tracker_on(runs, template, run_key="it's 1")
    assert again.close(PATIENCE_S)
    assert again.run_id == first.run_id


def test_an_id_of_another_store_begins_a_new_run(runs: Path, template: Path, client: Any) -> None:
    tracker = tracker_on(runs, template, run_id="0" * 32)
    tracker.log_round(4, {"score": 0.5})
    assert tracker.close(PATIENCE_S)
    assert tracker.run_id != "0" * 32
    assert history(client, str(tracker.run_id), "score") == [(4, 0.5)]
    client.delete_run(tracker.run_id)
    again = tracker_on(runs, template, run_id=tracker.run_id)
    assert again.close(PATIENCE_S)
    assert again.run_id not in (None, tracker.run_id)


def test_what_mlflow_refuses_does_not_block_the_rest(runs: Path, template: Path, client: Any) -> None:
    tracker = tracker_on(runs, template)
    assert tracker.wait_for_run_id(PATIENCE_S)
    client.log_param(tracker.run_id, "seed", "1")  # another process, unknown to the tracker
    tracker.log_params({"seed": 2})
    tracker.log_round(0, {"score": 0.5})
    assert tracker.close(PATIENCE_S)
    assert history(client, str(tracker.run_id), "score") == [(0, 0.5)]
    assert len(tracker.problems) == 1
    assert tracker.problems[0].startswith("MLflow refused params: Changing param values is not allowed")


def test_names_that_become_one_are_told(runs: Path, template: Path, client: Any) -> None:
    tracker = tracker_on(runs, template)
    tracker.log_round(0, {"a@b": 1.0, "a#b": 2.0})
    assert tracker.close(PATIENCE_S)
    assert history(client, str(tracker.run_id), "a_b") == [(0, 1.0)]
    assert tracker.problems == ("metric 'a#b' of round 0: its name in MLflow, 'a_b', is taken",)


def test_a_deleted_experiment_is_named(runs: Path, template: Path, client: Any) -> None:
    client.delete_experiment(client.get_experiment_by_name("challenge/task1").experiment_id)
    with pytest.raises(TrackingError, match="mlflow experiments restore"):
        connect(default_tracking_uri(runs), "challenge/task1", runs, template)


@pytest.mark.parametrize("uri", ["sqlite:////proc/nowhere/mlflow.db", "unheard-of://somewhere"])
def test_a_bad_address_loses_nothing(uri: str, tmp_path: Path) -> None:
    outbox = tmp_path / "outbox.jsonl"
    tracker = open_tracker(
        uri,
        experiment="e",
        run_name="r",
        run_id=None,
        lock_folder=tmp_path,
        outbox=outbox,
        template_folder=None,
    )
    tracker.log_round(0, {"score": 0.5})
    assert not tracker.close(PATIENCE_S)
    assert [message.content["metrics"] for message in load_outbox(outbox)] == [{"score": 0.5}]
    assert len(tracker.problems) == 2
    assert uri in tracker.problems[0]


def test_the_template_knows_nothing_of_where_it_was_made(runs: Path, template: Path, client: Any) -> None:
    (kept,) = template.iterdir()
    with contextlib.closing(sqlite3.connect(kept)) as database:
        assert database.execute("SELECT name FROM experiments").fetchall() == [("Default",)]
    experiments = {found.name: found.artifact_location for found in client.search_experiments()}
    assert set(experiments) == {"Default", "challenge/task1"}
    assert all(location.startswith((runs / "mlartifacts").as_uri()) for location in experiments.values())


@pytest.mark.slow
def test_a_damaged_template_is_replaced(tmp_path: Path) -> None:
    from mlflow.version import VERSION

    cache = tmp_path / "cache"
    cache.mkdir()
    kept = cache / f"mlflow-{VERSION}.db"
    kept.write_bytes(b"no database" * 100)
    client, experiment = connect(default_tracking_uri(tmp_path), "e", tmp_path, cache)
    assert client.get_experiment(experiment).name == "e"
    with contextlib.closing(sqlite3.connect(kept)) as database:
        assert database.execute("SELECT name FROM experiments").fetchall() == [("Default",)]


def test_a_folder_with_a_question_mark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="question mark"):
        default_tracking_uri(tmp_path / "what?")


FOUR_AT_ONCE = """
    import sys
    from pathlib import Path
    from leaderboard.mlflow_store import default_tracking_uri
    from leaderboard.tracking import open_tracker

    runs = Path(sys.argv[1])
    tracker = open_tracker(
        default_tracking_uri(runs), experiment="challenge/task1", run_name=sys.argv[2], run_id=None,
        lock_folder=runs, outbox=runs / sys.argv[2] / "outbox.jsonl",
    )
    for step in range(10):
        tracker.log_round(step, {"score": step / 10})
    tracker.finish()
    sent = tracker.close(240)
    sys.exit("; ".join(tracker.problems) if tracker.problems or not sent else 0)
"""


@pytest.mark.slow
def test_four_processes_share_a_brand_new_store(runs: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(FOUR_AT_ONCE), str(runs), f"run {number}"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    ends = [(process.communicate(timeout=280)[1], process.returncode) for process in processes]
    assert [end for end in ends if end[1] != 0] == []

    client, experiment = connect(default_tracking_uri(runs), "challenge/task1", runs, None)
    found = client.search_runs([experiment])
    assert sorted(run.info.run_name for run in found) == ["run 0", "run 1", "run 2", "run 3"]
    for run in found:
        assert history(client, run.info.run_id, "score") == [(step, step / 10) for step in range(10)]


@pytest.mark.slow
def test_a_server_that_is_not_there_is_noticed_within_seconds(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox.jsonl"
    begun = time.monotonic()
    tracker = open_tracker(
        "http://ann:secret@127.0.0.1:9",
        experiment="e",
        run_name="r",
        run_id=None,
        lock_folder=tmp_path,
        outbox=outbox,
    )
    tracker.log_round(0, {"score": 0.5})
    assert not tracker.close(PATIENCE_S)
    assert time.monotonic() - begun < 60
    assert "secret" not in " ".join(tracker.problems)
    assert len(load_outbox(outbox)) == 1
