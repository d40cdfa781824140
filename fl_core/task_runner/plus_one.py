"""The "+1" trainer: a model whose training is known to the last bit, for checking the engine itself.

Training adds a constant to every float array, so R rounds of any weighted mean over any sites give
exactly ``initial + R * step``, and the metric, the mean of all weights, rises with each round.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fl_core.errors import InputError
from fl_core.task_runner.base import TaskContext, TaskOutput, TaskRunner
from fl_core.tensors import Array, Tensors


@dataclass(frozen=True)
class PlusOneSettings:
    """Settings of the "+1" trainer, as plain values.

    Attributes:
        step: What training adds to every float array.
        shapes: The model, ``{name: shape}``, float32 and zero at the start.
        sites: ``{site: (training samples, validation samples)}``; who is missing has one of each.
        metrics: Names under which a validation reports the mean of all weights.
        pause_s: Wall-clock seconds that a training lasts, to see what happens during one.
    """

    step: float = 1.0
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: {"weight": (2, 3)})
    sites: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    metrics: tuple[str, ...] = ("weight_mean",)
    pause_s: float = 0.0


class PlusOneRunner(TaskRunner):
    """One site of the "+1" trainer."""

    def __init__(self, settings: PlusOneSettings, site: str) -> None:
        self._settings = settings
        self._site = site
        self._n_train, self._n_validate = settings.sites.get(site, (1, 1))
        self._tensors: dict[str, Array] = {
            name: np.zeros(shape, np.float32) for name, shape in settings.shapes.items()
        }
        self._steps = 0

    def tensors(self) -> dict[str, Any]:
        """Return the model's arrays."""
        return dict(self._tensors)

    def load(self, tensors: Tensors) -> None:
        """Take the arrays over; training replaces them and never writes into them."""
        self._tensors = dict(tensors)

    def reset_optimizer(self) -> None:
        """Forget how many trainings there were."""
        self._steps = 0

    def optimizer_tensors(self) -> dict[str, Any]:
        """Return the number of trainings, the only thing this optimizer learns."""
        return {"steps": np.array([self._steps], np.int64)} if self._steps else {}

    def load_optimizer(self, tensors: Tensors) -> None:
        """Put the number of trainings back."""
        self._steps = int(tensors["steps"][0])

    def train(self, context: TaskContext) -> TaskOutput:
        """Add the step to every float array; the loss is minus the mean of the weights."""
        time.sleep(self._settings.pause_s)
        self._tensors = {
            name: np.add(array, self._settings.step, dtype=array.dtype) if _is_float(array) else array
            for name, array in self._tensors.items()
        }
        self._steps += 1
        return TaskOutput({"loss": -self._mean()}, self._n_train)

    def validate(self, context: TaskContext) -> TaskOutput:
        """Report the mean of all weights under each of the metrics' names, and per sample if asked."""
        mean = self._mean()
        metrics = dict.fromkeys(self._settings.metrics, mean)
        rows: tuple[Mapping[str, str | float | int], ...] = ()
        if context.settings.get("rows"):
            rows = tuple({"case": f"{self._site}-{i}", **metrics} for i in range(self._n_validate))
        return TaskOutput(metrics, self._n_validate, rows)

    def _mean(self) -> float:
        floats = [array for array in self._tensors.values() if _is_float(array)]
        count = sum(array.size for array in floats)
        return float(sum(array.sum(dtype=np.float64) for array in floats) / count) if count else 0.0


@dataclass(frozen=True)
class PlusOneSource:
    """Opens the "+1" trainer at any site."""

    settings: PlusOneSettings

    def open(self, site: str) -> TaskRunner:
        """Return a fresh runner of that site."""
        return PlusOneRunner(self.settings, site)


def open_source(settings: Mapping[str, Any]) -> PlusOneSource:
    """Return the source for these settings; see `PlusOneSettings` for the keys.

    Raises:
        InputError: An unknown key.

    Example:
        >>> runner = open_source({"step": 2.0, "shapes": {"w": [1]}}).open("1")
        >>> runner.train(TaskContext(seed=0, site="1", round=0)).metrics
        {'loss': -2.0}
    """
    unknown = sorted(set(settings) - set(PlusOneSettings.__dataclass_fields__))
    if unknown:
        known = ", ".join(PlusOneSettings.__dataclass_fields__)
        raise InputError(f"the +1 trainer has no setting {unknown[0]!r}; it has {known}")
    values = dict(settings)
    if "shapes" in values:
        values["shapes"] = {name: tuple(shape) for name, shape in values["shapes"].items()}
    if "sites" in values:
        values["sites"] = {site: (int(sizes[0]), int(sizes[1])) for site, sizes in values["sites"].items()}
    if "metrics" in values:
        values["metrics"] = tuple(values["metrics"])
    return PlusOneSource(PlusOneSettings(**values))


def _is_float(array: Array) -> bool:
    return bool(np.issubdtype(array.dtype, np.floating))
