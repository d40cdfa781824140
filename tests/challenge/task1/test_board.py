"""A run and MLflow: a store that is down costs no result, and gets everything later, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from plus_one_engine import Silent, configuration, results, surroundings

from challenge.records.verify import verify
from challenge.task1.run import resume, start

NOBODY_LISTENS = "http://127.0.0.1:1"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_dead_store_costs_nothing_and_is_served_later(tmp_path: Path, tiny_data: Path) -> None:
    import mlflow

    terminal = Silent()
    folder = tmp_path / "run"
    start(configuration(tiny_data, tracking_uri=NOBODY_LISTENS), folder, surroundings(terminal=terminal))
    start(configuration(tiny_data), tmp_path / "untracked", surroundings())

    found, expected = results(folder), results(tmp_path / "untracked")
    assert found.pop("config.yaml") != expected.pop("config.yaml")  # it names the store
    assert found == expected
    assert any(line.startswith("tracking:") for line in terminal.lines)

    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    for _ in range(2):
        assert resume(folder, None, store, True, surroundings()) is None

    client = mlflow.MlflowClient(store)
    experiment = client.get_experiment_by_name("task1")
    every = client.search_runs([experiment.experiment_id])
    runs = [run for run in every if "mlflow.parentRunId" not in run.data.tags]
    assert len(runs) == 1 and {run.info.status for run in every} == {"FINISHED"}
    sites = [run.data.params["site"] for run in every if run not in runs]
    assert len(sites) == len(set(sites)) == 3
    history = client.get_metric_history(runs[0].info.run_id, "round_score")
    assert [metric.step for metric in history] == [0, 1, 2, 3]
    assert verify(folder, ()).intact
