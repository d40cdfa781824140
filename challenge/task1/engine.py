"""The engine of a run: the plan, the workers and the model to begin with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from challenge.config import ConfigError, Task1Config
from challenge.task1.inputs import Inputs, worker_settings
from fl_core.errors import TensorError
from fl_core.executor.base import Executor, WorkerSetup
from fl_core.executor.environment import keep_memory
from fl_core.executor.local import LocalExecutor
from fl_core.plan.loader import parse_plan
from fl_core.plan.schema import Plan
from fl_core.tensors import Array
from fl_core.tensors.check import check_like
from fl_core.tensors.codec import read_file
from tasks.task1_aggregation.round_work import HIDDEN_TEST, TRAIN, VALIDATE, VALIDATE_LOCAL

SOURCE = "tasks.segmentation.runner:open_source"


@dataclass(frozen=True)
class Engine:
    """What does the sites' work.

    Attributes:
        executor: Runs their jobs.
        workers: How many at once.
        device: Where networks run.
        plan: What all parties agree on.
        settings: Of the task runner, plain values.
    """

    executor: Executor
    workers: int
    device: str
    plan: Plan
    settings: dict[str, Any]

    def initial(self, config: Task1Config) -> dict[str, Array]:
        """Return the model to begin with: from ``init``, else drawn from the seed.

        Raises:
            ConfigError: The file's names, shapes or types are not the network's.
        """
        from tasks.segmentation.network import initial_tensors

        drawn = initial_tensors(self.settings["network"], config.seed)
        if config.init is None:
            return drawn
        try:
            given, _ = read_file(config.init)
            checked, _ = check_like(given, drawn, what=f"{config.init}")
        except OSError as error:
            raise ConfigError(f"--init {config.init}: {error.strerror}") from error
        except TensorError as error:
            raise ConfigError(f"--init {error}") from error
        return dict(checked)


@contextmanager
def open_engine(config: Task1Config, inputs: Inputs) -> Iterator[Engine]:
    """Start the workers; they end when the block does."""
    device = chosen_device(config.device)
    settings = worker_settings(config, inputs, device)
    plan = task1_plan(config, settings)
    setup = WorkerSetup(SOURCE, settings, plan.collaborator_settings(config.seed))
    workers = config.workers or max(1, min(os.cpu_count() or 1, len(inputs.sites)))
    if workers == 1:
        keep_memory()
    executor = LocalExecutor(setup, workers)
    try:
        yield Engine(executor, workers, device, plan, settings)
    finally:
        executor.close()


def task1_plan(config: Task1Config, settings: dict[str, Any]) -> Plan:
    """Return the plan of a Task 1 federation."""
    return parse_plan(
        {
            "aggregator": {
                "settings": {
                    "rounds_to_train": config.rounds,
                    "best_metric": "dice",
                    "best_direction": "higher",
                }
            },
            "collaborator": {
                "settings": {
                    "opt_treatment": config.opt_treatment.value,
                    "delta_updates": config.delta_updates,
                }
            },
            "task_runner": {"template": SOURCE, "settings": {"training": settings["training"]}},
            "network": {"template": "tasks.segmentation.network:build", "settings": settings["network"]},
            "assigner": {"template": "fl_core.assigner.functional.FunctionalAssigner"},
            "tasks": {
                VALIDATE: {"function": "validate", "apply": "global"},
                TRAIN: {"function": "train"},
                VALIDATE_LOCAL: {"function": "validate", "apply": "local"},
                HIDDEN_TEST: {"function": "validate", "apply": "global"},
            },
        },
        source="the plan of Task 1",
    )


def chosen_device(wanted: str) -> str:
    """Return ``cpu`` or ``cuda``.

    Raises:
        ConfigError: CUDA is asked for and not there.
    """
    if wanted == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise ConfigError("--device cuda: torch finds no GPU here; use --device cpu, or install a CUDA build")
    return "cpu"
