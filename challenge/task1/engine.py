"""The engine of a run: the plan, the workers and the model to begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from challenge.config import ConfigError, Task1Config
from challenge.task1.executors import Room, open_executor, worker_count
from challenge.task1.inputs import Inputs, worker_settings
from challenge.task1.plan import SOURCE, task1_plan
from fl_core.errors import TensorError
from fl_core.executor.base import Executor, WorkerSetup
from fl_core.plan.schema import Plan
from fl_core.tensors import Array
from fl_core.tensors.check import check_like
from fl_core.tensors.codec import read_file


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
def open_engine(config: Task1Config, inputs: Inputs, room: Room) -> Iterator[Engine]:
    """Start what does the sites' work; it ends when the block does.

    Args:
        config: Resolved.
        inputs: The cases.
        room: What the engine may use of its run.
    """
    device = chosen_device(config.device)
    settings = worker_settings(config, inputs, device)
    plan = task1_plan(config)
    setup = WorkerSetup(SOURCE, settings, plan.collaborator_settings(config.seed))
    with open_executor(config, inputs, plan, setup, room) as executor:
        yield Engine(executor, worker_count(config, len(inputs.sites)), device, plan, settings)


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
