"""The plan of the OpenFL paper's Fig. 4: it loads as written, and runs with any number of collaborators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from plan_run import run_plan

from fl_core.durable import Disk
from fl_core.plan.loader import load_plan
from fl_core.tensors.codec import read_file
from fl_core.workspace.initialise import initialise
from fl_core.workspace.layout import Workspace

FIGURE_4 = """
aggregator :
  defaults : plan/defaults/aggregator.yaml
  template : openfl.component.Aggregator
  settings :
    init_state_path : save/keras_cnn_mnist_init.pbuf
    best_state_path : save/keras_cnn_mnist_best.pbuf
    last_state_path : save/keras_cnn_mnist_last.pbuf
    rounds_to_train : 10

collaborator :
  defaults : plan/defaults/collaborator.yaml
  template : openfl.component.Collaborator
  settings :
    delta_updates    : false
    opt_treatment    : RESET

data_loader :
  defaults : plan/defaults/data_loader.yaml
  template : src.tfmnist_inmemory.TensorFlowMNISTInMemory
  settings :
    collaborator_count : 2
    data_group_name    : mnist
    batch_size         : 256

task_runner :
  defaults : plan/defaults/task_runner.yaml
  template : src.keras_cnn.KerasCNN

network :
  defaults : plan/defaults/network.yaml

assigner :
  defaults : plan/defaults/assigner.yaml
  template : openfl.component.RandomGroupedAssigner
  settings :
    task_groups :
      - name       : validation_only
        percentage : 0.5
        tasks      :
          - aggregated_model_validation
      - name       : train_and_validate
        percentage : 0.5
        tasks      :
          - aggregated_model_validation
          - train
          - locally_tuned_model_validation

tasks :
  defaults : plan/defaults/tasks_keras.yaml
"""
# A network is no matter here: training adds one, so that the last model tells how often it happened.
RUNNER = """
from fl_core.task_runner.plus_one import PlusOneRunner, PlusOneSettings

class KerasCNN(PlusOneRunner):
    def __init__(self, data_loader):
        super().__init__(PlusOneSettings(metrics=("accuracy",)), "any")
        self.loader = data_loader
"""
LOADER = """
class TensorFlowMNISTInMemory:
    def __init__(self, data_path, batch_size, collaborator_count, data_group_name):
        assert (batch_size, collaborator_count, data_group_name) == (256, 2, "mnist")
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    for name, content in (
        ("plan/plan.yaml", FIGURE_4),
        ("src/keras_cnn.py", RUNNER),
        ("src/tfmnist_inmemory.py", LOADER),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    return Workspace(tmp_path)


def test_it_loads_as_written(workspace: Workspace) -> None:
    plan = load_plan(workspace.plan)

    assert plan.aggregator.template == "fl_core.aggregator.service.Aggregator"
    assert plan.collaborator.template == "fl_core.collaborator.loop.Collaborator"
    assert plan.assigner.template == "fl_core.assigner.random_grouped.RandomGroupedAssigner"
    assert plan.aggregator.settings.rounds_to_train == 10
    assert (plan.network.settings.agg_addr, plan.network.settings.agg_port) == ("auto", "auto")
    assert plan.network.settings.tls and plan.network.settings.require_client_auth
    assert {name: (task.function, task.apply) for name, task in plan.tasks.entries.items()} == {
        "aggregated_model_validation": ("validate", "global"),
        "train": ("train", "global"),
        "locally_tuned_model_validation": ("validate", "local"),
    }


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_it_runs_with_any_number_of_collaborators(workspace: Workspace, count: int) -> None:
    done = initialise(workspace, disk=Disk(), own_name=lambda: "host.example")
    sites = {f"col{i}": str(i) for i in range(count)}

    run = run_plan(workspace.root, sites)

    assert done.notes == ("save/keras_cnn_mnist_init.pbuf: kept as save/keras_cnn_mnist_init.safetensors",)
    trained = [sum("train" in tasks for tasks in round.values()) for round in run.assigned]
    assert len(trained) == 10 and all(abs(n - count / 2) <= 0.5 for n in trained)
    assert all("aggregated_model_validation" in tasks for r in run.assigned for tasks in r.values())
    rounds_that_count = sum(n > 0 for n in trained)
    assert rounds_that_count > 0
    assert np.array_equal(run.model["weight"], np.full((2, 3), rounds_that_count, np.float32))
    initial, _ = read_file(workspace.save / "keras_cnn_mnist_init.safetensors")
    assert not initial["weight"].any()
