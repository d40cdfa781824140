"""The task runner for Keras 3: a compiled model, a site's arrays, and the training loop around them.

Import `keras` from here rather than by itself: Keras chooses its backend when it is first imported, and the
one that is always installed beside this package is PyTorch. ``KERAS_BACKEND`` chooses another.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras

from fl_core.errors import InputError, TensorError
from fl_core.seeding import derived_seed, generator
from fl_core.task_runner.base import TaskContext, TaskOutput, TaskRunner
from fl_core.tensors import Array, Tensors

__all__ = ["KerasTaskRunner", "SiteArrays", "keras"]


@dataclass(frozen=True)
class SiteArrays:
    """A site's data: inputs and targets, the first axis counts samples."""

    train_inputs: npt.NDArray[Any]
    train_targets: npt.NDArray[Any]
    valid_inputs: npt.NDArray[Any]
    valid_targets: npt.NDArray[Any]


class KerasTaskRunner(TaskRunner):
    """Trains a compiled ``keras.Model``.

    Tensors are called by their place in ``model.weights`` and their own name (``0003.kernel``): the paths
    that Keras gives count the layers that a process has made so far, and so differ between processes.

    Sets PyTorch, where it is the backend, to one thread in this process: sums then have one order.

    Args:
        build: Returns the compiled model.
        data: The site's arrays; None where only the model is wanted.
        seed: Of the initial weights.

    Raises:
        InputError: The model is not compiled, or not built (it has no weights).
    """

    def __init__(self, build: Callable[[], keras.Model], data: SiteArrays | None, *, seed: int = 0) -> None:
        _one_thread()
        with _seeded(derived_seed(seed, "initial weights")):
            self.model = build()
        self._data = data
        if not self.model.weights or getattr(self.model, "optimizer", None) is None:
            raise InputError(
                "the Keras model must be built (give it an Input) and compiled with an optimizer"
            )
        self.model.optimizer.build(self.model.trainable_variables)
        self._fresh = [_array(variable) for variable in self.model.optimizer.variables]

    def tensors(self) -> dict[str, Array]:
        """Return copies of the model's weights, trainable or not, each in its own dtype."""
        return {name: _array(variable) for name, variable in self._weights().items()}

    def load(self, tensors: Tensors) -> None:
        """Put arrays into the model's weights.

        Raises:
            TensorError: A name, shape or dtype differs from the model's.
        """
        weights = self._weights()
        if odd := sorted(set(weights) ^ set(tensors)):
            where = "the model" if odd[0] in tensors else "the tensors"
            raise TensorError(f"{odd[0]!r} is not in {where}; both must have the same names")
        for name, variable in weights.items():
            _assign(name, variable, tensors[name])

    def reset_optimizer(self) -> None:
        """Put the optimizer's variables back to what they were before the first step."""
        for variable, value in zip(self.model.optimizer.variables, self._fresh, strict=True):
            variable.assign(value)

    def optimizer_tensors(self) -> dict[str, Array]:
        """Return the optimizer's variables as arrays called by their place; empty before the first step."""
        if int(_array(self.model.optimizer.iterations)) == 0:
            return {}
        return {f"{i:04d}": _array(variable) for i, variable in enumerate(self.model.optimizer.variables)}

    def load_optimizer(self, tensors: Tensors) -> None:
        """Put back what `optimizer_tensors` returned; an empty mapping is a fresh optimizer.

        Raises:
            TensorError: The optimizer has no such variable, or one of another shape or dtype.
        """
        self.reset_optimizer()
        variables = {f"{i:04d}": variable for i, variable in enumerate(self.model.optimizer.variables)}
        for name in sorted(tensors):
            if name not in variables:
                raise TensorError(f"optimizer state {name!r} belongs to no variable of the optimizer")
            _assign(f"optimizer state {name}", variables[name], tensors[name])

    def train(self, context: TaskContext) -> TaskOutput:
        """Train one round.

        Settings: ``epochs`` (default 1), ``batch_size`` (default 32), ``learning_rate`` (default: the
        optimizer's own). The order of the samples, and what dropout draws, follow from seed, site and round.

        Returns:
            Keras's metrics, means over the last epoch; ``samples`` is the size of the training set.

        Raises:
            InputError: A setting is out of range or not known here (``proximal_mu``), or there is no sample.
        """
        data = self._site_data(context)
        settings = context.settings
        if settings.get("proximal_mu"):
            raise InputError(
                "proximal_mu: the runner for Keras has no proximal term; use the one for PyTorch"
            )
        if settings.get("learning_rate") is not None:
            self.model.optimizer.learning_rate = _positive(settings, "learning_rate", 0.0)
        epochs = math.floor(_positive(settings, "epochs", 1) + 0.5)
        size = math.floor(_positive(settings, "batch_size", 32))
        with _seeded(derived_seed(context.seed, "layers", context.site, context.round)):
            self._seed_layers(context)
            for order in _orders(context, len(data.train_targets), max(1, epochs)):
                measured = self._epoch(data, order, size)
        return TaskOutput(_plain(measured), len(data.train_targets))

    def validate(self, context: TaskContext) -> TaskOutput:
        """Return the model's loss and metrics on the validation samples.

        Raises:
            InputError: The site has none.
        """
        data = self._site_data(context)
        size = math.floor(_positive(context.settings, "batch_size", 32))
        measured = self.model.evaluate(
            data.valid_inputs, data.valid_targets, batch_size=size, verbose=0, return_dict=True
        )
        return TaskOutput(_plain(measured), len(data.valid_targets))

    def _epoch(self, data: SiteArrays, order: npt.NDArray[np.int64], size: int) -> Mapping[str, Any]:
        self.model.reset_metrics()
        measured: Mapping[str, Any] = {}
        for first in range(0, len(order), size):
            chosen = order[first : first + size]
            measured = self.model.train_on_batch(
                data.train_inputs[chosen], data.train_targets[chosen], return_dict=True
            )
        return measured

    def _weights(self) -> dict[str, Any]:
        return {f"{i:04d}.{variable.name}": variable for i, variable in enumerate(self.model.weights)}

    def _site_data(self, context: TaskContext) -> SiteArrays:
        if self._data is None or not len(self._data.train_targets) or not len(self._data.valid_targets):
            raise InputError(f"site {context.site} has no samples to train and validate on; give it some")
        return self._data

    def _seed_layers(self, context: TaskContext) -> None:
        """Seed every layer that draws (dropout), so that neither past rounds nor other sites matter."""
        drawing = [variable for variable in self.model.variables if variable.name == "seed_generator_state"]
        for index, variable in enumerate(drawing):
            seed = derived_seed(context.seed, "layers", context.site, context.round, index) % 2**31
            variable.assign(np.array([seed, 0]))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the generators that Keras and PyTorch share with the whole process, and put them back after.

    Initial weights, and PyTorch's dropout, can be drawn from no others.
    """
    python, numbers, tensors = random.getstate(), np.random.get_state(), _torch_state()  # noqa: NPY002
    keras.utils.set_random_seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)  # noqa: NPY002
        _torch_state(tensors)


def _one_thread() -> None:
    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(1)


def _torch_state(put_back: Any = None) -> Any:
    """Return the state of PyTorch's generator, where it is the backend, or put it back."""
    if keras.backend.backend() != "torch":
        return None
    import torch

    return torch.get_rng_state() if put_back is None else torch.set_rng_state(put_back)


def _orders(context: TaskContext, samples: int, epochs: int) -> Iterator[npt.NDArray[np.int64]]:
    draw = generator(context.seed, "batches", context.site, context.round)
    for _ in range(epochs):
        yield draw.permutation(samples)


def _positive(settings: Mapping[str, Any], name: str, default: float) -> float:
    value = settings.get(name)
    number = default if value is None else float(value)
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"{name} must be a finite number above 0, got {number}")
    return number


def _plain(measured: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in measured.items()}


def _array(variable: Any) -> Array:
    array: Array = np.array(keras.ops.convert_to_numpy(variable))
    return array


def _assign(name: str, variable: Any, array: Array) -> None:
    if tuple(variable.shape) != array.shape or str(variable.dtype) != array.dtype.name:
        raise TensorError(
            f"{name}: the model has {variable.dtype} {tuple(variable.shape)}, got {array.dtype} {array.shape}"
        )
    variable.assign(np.array(array))
