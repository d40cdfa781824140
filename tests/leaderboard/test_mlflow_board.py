"""A board read from MLflow: the same as from folders, and what was edited there is found."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_runs import signed_run
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from challenge.records.verify import Verdict, verify
from leaderboard.board import Board, admit, run_folders
from leaderboard.board_ranking import BoardCall, rank_board
from leaderboard.errors import TrackingError
from leaderboard.mlflow_board import mlflow_runs
from leaderboard.mlflow_store import default_tracking_uri, reading_client
from leaderboard.outbox import load_outbox
from leaderboard.phases import experiment_name
from leaderboard.posting import post_entry
from leaderboard.ranking.registry import Options
from leaderboard.tracked_run import PARENT_TAG
from leaderboard.tracking import Tracker, open_tracker

KEY = Ed25519PrivateKey.from_private_bytes(b"1" * 32)
EXPERIMENT = experiment_name("task1", "test", "private")
PATIENCE_S = 120


def check(folder: Path) -> Verdict:
    return verify(folder, [KEY.public_key()])


def post(board: Board, uri: str, folder: Path, template: Path | None = None) -> list[Tracker]:
    trackers = []
    for number, entry in enumerate(board.entries):
        tracker = open_tracker(
            uri,
            experiment=EXPERIMENT,
            run_name=entry.key,
            run_id=None,
            lock_folder=folder,
            outbox=folder / f"outbox-{number}.jsonl",
            run_key=entry.record_sha256,
            template_folder=template,
        )
        post_entry(tracker, entry, check(entry.folder).facts["results"])
        tracker.finish()
        trackers.append(tracker)
        tracker.close(PATIENCE_S)
    return trackers


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, posted to the store beside them."""
    folder = tmp_path_factory.mktemp("posted")
    for name, skill in (("a", 0.0), ("b", 0.5)):
        signed_run(folder / "runs" / name, KEY, name, skill=skill, sizes=(4, 3), rounds=2)
    board = admit(run_folders([folder / "runs"]), check)
    for tracker in post(board, default_tracking_uri(folder), folder):
        assert tracker.problems == ()
    return folder


def copy_of(store: Path, target: Path) -> str:
    """A copy of the store's database, to be edited; the artifacts stay where they are."""
    with (
        contextlib.closing(sqlite3.connect(store / "mlflow.db")) as old,
        contextlib.closing(sqlite3.connect(target / "mlflow.db")) as new,
    ):
        old.backup(new)
    return default_tracking_uri(target)


def read(uri: str, into: Path) -> Board:
    into.mkdir()
    return admit(mlflow_runs(reading_client(uri), EXPERIMENT, into), check)


def run_of(client: Any, name: str) -> Any:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    (run,) = client.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'")
    return run


def test_a_board_from_mlflow_equals_that_from_folders(store: Path, tmp_path: Path) -> None:
    call = BoardCall(None, Options(), 0, 30, False)
    boards = [
        admit(run_folders([store / "runs"]), check),
        read(default_tracking_uri(store), tmp_path / "fetched"),
    ]

    one, two = (rank_board(board, call, np.random.default_rng, lambda line: None) for board in boards)

    assert two.board.refused == ()
    assert one.ranked.digests == two.ranked.digests
    assert np.array_equal(one.ranked.table.values, two.ranked.table.values)
    assert np.array_equal(one.ranked.ranked.uncertainty.ranks, two.ranked.ranked.uncertainty.ranks)
    assert one.ranked.submissions == two.ranked.submissions
    assert one.ranked.sites == two.ranked.sites


def test_every_site_has_a_run_below_its_submissions_and_posting_again_changes_nothing(
    store: Path, tmp_path: Path
) -> None:
    uri = copy_of(store, tmp_path)
    board = admit(run_folders([store / "runs"]), check)
    post(board, uri, tmp_path)
    client = reading_client(uri)

    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id])
    parent = run_of(client, "a, seed 0")
    children = [run for run in runs if run.data.tags.get(PARENT_TAG) == parent.info.run_id]

    assert len(runs) == 2 * (1 + 2)
    assert sorted(run.data.params["site"] for run in children) == ["site 0", "site 1"]
    history = client.get_metric_history(children[0].info.run_id, "loss")
    assert [entry.step for entry in history] == [0, 1]
    assert parent.data.params["cases_sha256"] == board.entries[0].cases_sha256
    assert board.entries[0].record_sha256 in parent.data.params.values()


def test_an_edited_metric_is_found_and_its_run_is_not_ranked(store: Path, tmp_path: Path) -> None:
    uri = copy_of(store, tmp_path)
    client = reading_client(uri)
    client.log_metric(run_of(client, "a, seed 0").info.run_id, "final_best_score", 0.999, step=2)
    parent = run_of(client, "b, seed 0").info.run_id
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        changed = database.execute(
            "UPDATE metrics SET value = 0.75 WHERE run_uuid = ? AND key = 'round_score' AND step = 1",
            (parent,),
        )
        assert changed.rowcount == 1

    board = read(uri, tmp_path / "fetched")

    assert board.entries == ()
    reasons = {run.name or run.source: "; ".join(run.reasons) for run in board.refused}
    told = " ".join(reasons.values())
    assert "metric final_best_score: shown 0.999, recorded" in told
    assert "metric round_score, round 1: shown 0.75, recorded" in told


def test_an_edited_site_and_an_invented_metric_are_found(store: Path, tmp_path: Path) -> None:
    uri = copy_of(store, tmp_path)
    client = reading_client(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    parent = run_of(client, "a, seed 0").info.run_id
    child = client.search_runs([experiment.experiment_id], f"tags.`{PARENT_TAG}` = '{parent}'")[0]
    client.log_metric(child.info.run_id, "dice_wt", 0.99, step=0)
    client.log_metric(parent, "dice_of_dreams", 1.0, step=0)

    (refused,) = read(uri, tmp_path / "fetched").refused

    assert "metric dice_of_dreams: does not stand in the run's files" in refused.reasons
    assert any("metric dice_wt, round 0: shown 0.99" in reason for reason in refused.reasons)


def test_an_edited_artifact_is_found_and_an_unfinished_run_is_not_ranked(store: Path, tmp_path: Path) -> None:
    uri = copy_of(store, tmp_path)
    client = reading_client(uri)
    edited = tmp_path / "cases.csv"
    edited.write_text((store / "runs" / "a" / "cases.csv").read_text() + "\n")
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    run = client.create_run(experiment, run_name="edited")
    for path in (store / "runs" / "a").iterdir():
        client.log_artifact(run.info.run_id, str(edited if path.name == "cases.csv" else path))
    client.set_terminated(run.info.run_id)
    client.create_run(experiment, run_name="running")

    board = read(uri, tmp_path / "fetched")

    assert [entry.key for entry in board.entries] == ["a, seed 0", "b, seed 0"]
    told = [run.reasons for run in board.refused]
    assert ("cases.csv: changed",) in told
    assert any(reasons[0] == "is not finished (RUNNING)" for reasons in told)


def test_what_mlflow_cannot_take_waits_and_arrives_once(store: Path, tmp_path: Path) -> None:
    board = admit(run_folders([store / "runs" / "a"]), check)
    (down,) = post(board, "sqlite:////proc/nowhere/mlflow.db", tmp_path)
    kept = {message.kind for message in load_outbox(tmp_path / "outbox-0.jsonl")}
    uri = copy_of(store, tmp_path)
    client = reading_client(uri)
    client.delete_run(run_of(client, "a, seed 0").info.run_id)

    post(board, uri, tmp_path)  # sends what waited, and the same once more

    assert not down.close(1) and {"params", "round", "site", "artifacts", "finish"} <= kept
    assert not (tmp_path / "outbox-0.jsonl").exists()
    history = client.get_metric_history(run_of(client, "a, seed 0").info.run_id, "round_score")
    assert sorted(entry.step for entry in history) == [0, 1, 2]


def test_a_store_or_an_experiment_that_is_not_there_is_told(store: Path, tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="no such store"):
        reading_client(default_tracking_uri(tmp_path))
    assert not (tmp_path / "mlflow.db").exists()
    with pytest.raises(TrackingError, match=f"no MLflow experiment 'task7'; there are: .*{EXPERIMENT}"):
        mlflow_runs(reading_client(default_tracking_uri(store)), "task7", tmp_path)
    with pytest.raises(TrackingError, match="'final' is none of dev, test"):
        experiment_name("task1", "final", "public")
