"""What the engine asks of a framework: hold a model, train it, validate it.

The class is small on purpose: a new framework is an afternoon's work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from fl_core.tensors import Tensors


@dataclass(frozen=True)
class TaskContext:
    """Where and when a task runs; every random choice in it derives from these values.

    Attributes:
        seed: The run's seed.
        site: The collaborator's name.
        round: The round, from 0.
        settings: Plain values of the task (``learning_rate``, ``epochs`` …).
        extras: Arrays broadcast for this round beside the model (control variates and the like).
    """

    seed: int
    site: str
    round: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    extras: Tensors = field(default_factory=dict)


@dataclass(frozen=True)
class TaskOutput:
    """What a task measured.

    Attributes:
        metrics: Means over the samples, by name.
        samples: How many samples (cases) the metrics are a mean over; the weight of the result.
        rows: Values per sample where the settings ask for them (``rows=True``). They stay at the
            site; only a simulation's own harness reads them.
    """

    metrics: Mapping[str, float]
    samples: int
    rows: tuple[Mapping[str, str | float | int], ...] = ()


class TaskRunner(ABC):
    """A model and one site's data, behind the framework's back."""

    @abstractmethod
    def tensors(self) -> dict[str, Any]:
        """Return the model's arrays by name (copies, or views that the next call may change)."""

    @abstractmethod
    def load(self, tensors: Tensors) -> None:
        """Put arrays into the model. Names and shapes have been checked by the caller."""

    @abstractmethod
    def reset_optimizer(self) -> None:
        """Forget everything the optimizer has learned."""

    @abstractmethod
    def optimizer_tensors(self) -> dict[str, Any]:
        """Return the optimizer's state as arrays by name; empty for a fresh one."""

    @abstractmethod
    def load_optimizer(self, tensors: Tensors) -> None:
        """Put back what `optimizer_tensors` returned."""

    @abstractmethod
    def train(self, context: TaskContext) -> TaskOutput:
        """Train on the site's training data; ``samples`` is the size of the training set."""

    @abstractmethod
    def validate(self, context: TaskContext) -> TaskOutput:
        """Measure the model on the site's validation data, without changing it."""


class RunnerSource(Protocol):
    """Opens the runner of a site; a worker holds one source and keeps its model resident."""

    def open(self, site: str) -> TaskRunner:
        """Return a runner on that site's data. A later call may take the model away from it."""
        ...
