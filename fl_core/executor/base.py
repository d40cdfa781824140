"""How the work of a round's sites is done: in this process, in workers, on a cluster. Same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from fl_core.collaborator.settings import CollaboratorSettings
from fl_core.plan.template import resolve
from fl_core.task_runner.base import RunnerSource
from fl_core.tensors import Tensors

OPTIMIZER_PREFIX = "optimizer/"
"""Arrays of an optimizer, beside a model's or in a site's local state."""


@dataclass(frozen=True)
class SiteJob:
    """One site's work in one round, complete: any worker can do it.

    Attributes:
        site: The collaborator's name.
        round: The round, from 0.
        tasks: Names of the plan's tasks, in order.
        settings: Plain values by task name, e.g. ``{"train": {"learning_rate": 1e-3}}``.
        extras: Arrays broadcast to the site beside the model.
        local_state: What the site keeps between rounds (optimizer state, local tensors).
        local_names: Tensors that stay at the site: trained there, neither sent nor overwritten.
        cost: Relative cost, for starting the longest job first; no influence on results.
    """

    site: str
    round: int
    tasks: tuple[str, ...]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    extras: Tensors = field(default_factory=dict)
    local_state: Tensors = field(default_factory=dict)
    local_names: tuple[str, ...] = ()
    cost: float = 0.0


@dataclass(frozen=True)
class TaskReport:
    """A finished task: its metrics (means) and the number of samples they are a mean over.

    `trains` tells a task that changed the model; `rows` holds values per sample where the task's
    settings asked for them.
    """

    task: str
    metrics: Mapping[str, float]
    samples: int
    trains: bool = False
    rows: tuple[Mapping[str, str | float | int], ...] = ()


@dataclass(frozen=True)
class SiteReport:
    """What came back from a job.

    Attributes:
        site: The collaborator's name.
        round: The round of the job.
        reports: One per task, in the job's order.
        tensors: The update (the whole model after training, or its delta); empty without training.
            Optimizer arrays travel beside it, under `OPTIMIZER_PREFIX`, for CONTINUE_GLOBAL only.
        local_state: What the site keeps, to be handed back in its next job.
        wall_s: Wall-clock seconds the job took.
    """

    site: str
    round: int
    reports: tuple[TaskReport, ...]
    tensors: Tensors
    local_state: Tensors
    wall_s: float


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker needs to serve any site.

    Attributes:
        source: ``"module:function"`` that takes `settings` and returns a `RunnerSource`.
        settings: Plain values (JSON) for it.
        collaborator: How collaborators treat optimizers, deltas and the plan's tasks.
    """

    source: str
    settings: Mapping[str, Any]
    collaborator: CollaboratorSettings


def load_source(setup: WorkerSetup) -> RunnerSource:
    """Import and call the setup's source.

    Raises:
        PlanError: The source cannot be imported.
    """
    function = resolve(setup.source)
    return cast(RunnerSource, function(setup.settings))


class Executor(Protocol):
    """Runs jobs. Reports come in the order in which they end; callers sort by name."""

    def run(self, model: Tensors, jobs: Sequence[SiteJob]) -> Iterator[SiteReport]:
        """Run every job on the given global model.

        Raises:
            WorkerError: A worker died twice on the same job.
        """
        ...

    def close(self) -> None:
        """End the workers; safe to call twice."""
        ...
