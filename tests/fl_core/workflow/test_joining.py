"""Joining and leaving: another plan, signals on either side, and other people's plans."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fx_federation import (
    AGGREGATOR,
    edit_plan,
    enrol,
    in_one_process,
    models,
    only,
    parties,
    rows,
    run,
    wait_until,
)
from workspaces import Federation, fx_done

from fl_core.tensors.codec import encode, read_file

SLOWER_S = 0.4


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["plan", "code", "weights"])
def test_another_plan_is_one_clear_error_within_two_seconds(two: Federation, changed: str) -> None:
    site = two.site("one")
    if changed == "plan":
        plan = site / "plan" / "plan.yaml"
        plan.write_text(plan.read_text().replace("step: 1.0", "step: 1.5"))
    elif changed == "code":
        (site / "src" / "more.py").write_text("more = 1\n")
    else:
        weights = site / "save" / "init.safetensors"
        tensors, _ = read_file(weights)
        weights.write_bytes(encode({name: array + 1 for name, array in tensors.items()}))

    with parties(two) as found:
        found.start(AGGREGATOR)
        found.processes[AGGREGATOR].wait_for("listening on")
        found.start("one")
        wait_until("the site calls", lambda: "connecting to" in found.text("one"))
        began = time.monotonic()
        code = found.processes["one"].end(30)
        took_s = time.monotonic() - began
        found.start("two")
        found.processes["two"].wait_for("connected as two")

        assert code == 2
        calling, error = found.text("one").splitlines()
        assert calling.startswith("connecting to localhost:")
        assert error.startswith("error: ") and "plan mismatch" in error and "import the workspace" in error
        assert took_s < 2
        assert found.text(AGGREGATOR).count("refused: Join") == 1, "one call, not thousands"
        assert found.running(AGGREGATOR) and found.running("two"), "the federation goes on"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("party", [AGGREGATOR, "one"])
def test_a_signal_is_answered_by_how_to_go_on_and_going_on_gives_the_same_bytes(
    two: Federation, party: str, number: signal.Signals
) -> None:
    two.changed(pause_s=SLOWER_S)
    expected = in_one_process(two)
    with parties(two) as found:
        found.start()
        wait_until("round 1 began", lambda: "round 1: " in found.text("one"))
        found.processes[party].signal(number)
        assert found.processes[party].end() == 1
        last = found.text(party).splitlines()[-1]
        assert last.endswith("to go on: " + " ".join(("fx", *found.words(party)[:2])) + _name(party))
        assert "Traceback" not in found.text(party)
        found.start(party)
        found.end_well()

    assert models(two) == {"last": expected, "best": expected}
    assert [row["received"] for row in rows(two)] == ["2"] * 4


def _name(party: str) -> str:
    return "" if party == AGGREGATOR else f" -n {party}"


def _figure_4(plan: dict[str, Any]) -> None:
    """The assigner and the state paths of the paper's Fig. 4, as they stand there."""
    plan["aggregator"] = {
        "defaults": "plan/defaults/aggregator.yaml",
        "template": "openfl.component.Aggregator",
        "settings": {
            "init_state_path": "save/keras_cnn_mnist_init.pbuf",
            "best_state_path": "save/keras_cnn_mnist_best.pbuf",
            "last_state_path": "save/keras_cnn_mnist_last.pbuf",
            "rounds_to_train": 4,
            "best_metric": "weight_mean",
        },
    }
    plan["collaborator"] = {
        "defaults": "plan/defaults/collaborator.yaml",
        "template": "openfl.component.Collaborator",
        "settings": {"delta_updates": False, "opt_treatment": "RESET"},
    }
    validate, train = "aggregated_model_validation", "train"
    plan["assigner"] = {
        "defaults": "plan/defaults/assigner.yaml",
        "template": "openfl.component.RandomGroupedAssigner",
        "settings": {
            "task_groups": [
                {"name": "validation_only", "percentage": 0.5, "tasks": [validate]},
                {
                    "name": "train_and_validate",
                    "percentage": 0.5,
                    "tasks": [validate, train, "locally_tuned_model_validation"],
                },
            ]
        },
    }
    plan["tasks"] = {"defaults": "plan/defaults/tasks_keras.yaml"}


@pytest.fixture(scope="module")
def five(enrolled: Federation, tmp_path_factory: pytest.TempPathFactory) -> Federation:
    """Five sites with the plan of the paper's Fig. 4."""
    federation = enrolled.copy(tmp_path_factory.mktemp("five") / "f")
    for name in ("three", "four", "five"):
        federation = enrol(federation, name, "1")
    edit_plan(federation, _figure_4)
    return federation


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_plan_of_figure_4_runs_with_any_number_of_collaborators(
    five: Federation, tmp_path: Path, count: int
) -> None:
    federation = only(five.copy(tmp_path / "f"), *five.sites[:count])
    lead = federation.aggregator
    told = fx_done("plan", "initialize", "-a", "localhost", cwd=lead)
    note = "save/keras_cnn_mnist_init.pbuf: kept as save/keras_cnn_mnist_init.safetensors"
    assert told.count(".pbuf") == 1 and f"note: {note}" in told
    for site in map(federation.site, federation.sites):
        shutil.copy(lead / "save" / "keras_cnn_mnist_init.safetensors", site / "save")
        shutil.copy(lead / "plan" / "plan.yaml", site / "plan")

    run(federation)

    assert models(federation)["last"] == in_one_process(federation)
    assert not list(federation.folder.rglob("*.pbuf"))
    trained = [
        sum("train" in row["tasks"].split() for row in rows(federation, "sites") if row["round"] == str(r))
        for r in range(4)
    ]
    assert all(abs(n - count / 2) <= 0.5 for n in trained)
    last, _ = read_file(lead / "save" / "keras_cnn_mnist_last.safetensors")
    steps = sum(n > 0 for n in trained)
    assert steps and all(np.array_equal(array, np.full_like(array, steps)) for array in last.values())
