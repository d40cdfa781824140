"""The task runner for PyTorch: a module, its optimizer, and the training loop around them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fl_core.errors import InputError, TensorError
from fl_core.task_runner.base import TaskContext, TaskOutput, TaskRunner
from fl_core.tensors import Tensors

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


class PyTorchTaskRunner(TaskRunner):
    """Trains an ``nn.Module``; subclasses say what the batches and the loss are.

    A new runner, and one that was reset, has an optimizer without memory. So a module may serve many sites
    one after another: each gets the model by `load` and its optimizer by `load_optimizer` or not at all.

    Args:
        network: The module; training changes it in place.
        optimizer: Makes an optimizer for parameters; the learning rate is set for each round.
        clip_norm: Largest norm of the gradient of all parameters; longer ones are shortened to it.
    """

    def __init__(
        self, network: nn.Module, optimizer: OptimizerFactory, *, clip_norm: float | None = None
    ) -> None:
        self.network = network
        self._make_optimizer = optimizer
        self._clip_norm = clip_norm
        self.reset_optimizer()

    @abstractmethod
    def train_batches(self, context: TaskContext) -> Iterator[Any]:
        """Yield the batches of one round, as many as the context's settings ask for."""

    @abstractmethod
    def loss(self, batch: Any) -> tuple[Tensor, Mapping[str, float]]:
        """Return a batch's loss, with its graph, and further metrics to be averaged over batches."""

    @property
    @abstractmethod
    def train_size(self) -> int:
        """How many training samples the site has: the weight of its update."""

    def learning_rate(self, context: TaskContext, step: int) -> float:
        """Return the learning rate of a step (from 0) of a round: by default the round's own."""
        return float(context.settings["learning_rate"])

    def tensors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return copies of the module's parameters and buffers, each in its own dtype.

        Raises:
            TensorError: A tensor's dtype has no counterpart in numpy (bfloat16).
        """
        return {name: _to_array(name, value) for name, value in self.network.state_dict().items()}

    def load(self, tensors: Tensors) -> None:
        """Put arrays into the module's parameters and buffers.

        Raises:
            TensorError: A name, shape or dtype differs from the module's.
        """
        state = self.network.state_dict()
        if odd := sorted(set(state) ^ set(tensors)):
            where = "the model" if odd[0] in tensors else "the tensors"
            raise TensorError(f"{odd[0]!r} is not in {where}; both must have the same names")
        with torch.no_grad():
            for name, target in state.items():
                target.copy_(_to_tensor(name, tensors[name], target))

    def reset_optimizer(self) -> None:
        """Start a fresh optimizer: no moments, no step count."""
        self.optimizer = self._make_optimizer(self.network.parameters())

    def optimizer_tensors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the optimizer's state as arrays called ``<parameter>/<quantity>``.

        For example ``output.bias/exp_avg``, ``output.bias/step``. Empty before the first step.

        Raises:
            TensorError: The optimizer keeps something that is not a tensor (L-BFGS); use RESET with it.
        """
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                if value is None:
                    continue
                if not isinstance(value, Tensor):
                    kind = type(self.optimizer).__name__
                    raise TensorError(
                        f"optimizer {kind} keeps {key!r} as {type(value).__name__}, not as a tensor; "
                        "set opt_treatment to RESET"
                    )
                arrays[f"{name}/{key}"] = _to_array(f"{name}/{key}", value)
        return arrays

    def load_optimizer(self, tensors: Tensors) -> None:
        """Put back what `optimizer_tensors` returned; an empty mapping is a fresh optimizer.

        Raises:
            TensorError: A name belongs to no parameter.
        """
        self.reset_optimizer()
        parameters = dict(self.network.named_parameters())
        for name in sorted(tensors):
            owner, _, key = name.rpartition("/")
            if owner not in parameters:
                raise TensorError(f"optimizer state {name!r} belongs to no parameter of the model")
            parameter = parameters[owner]
            value = torch.from_numpy(np.array(tensors[name]))
            # PyTorch keeps step counts on the CPU whatever the parameters' device.
            device = "cpu" if value.ndim == 0 else parameter.device
            self.optimizer.state[parameter][key] = value.to(device)

    def train(self, context: TaskContext) -> TaskOutput:
        """Train one round: a step a batch, with the proximal term and clipping if they are asked for.

        ``proximal_mu`` > 0 adds mu/2 ||w - w_global||^2 to the loss (FedProx, Li et al. 2020, eq. 2), where
        w_global is the model at the start of the round.

        Returns:
            Means over the batches of ``loss`` and the metrics of the hook; ``samples`` is `train_size`.

        Raises:
            InputError: The learning rate or ``proximal_mu`` is not a usable number, or there is no batch.
        """
        self._check(context.settings)
        mu = float(context.settings.get("proximal_mu") or 0.0)
        anchors = [p.detach().clone() for p in self.network.parameters()] if mu > 0 else []
        sums: dict[str, float] = {}
        steps = 0
        self.network.train()
        for batch in self.train_batches(context):
            for group in self.optimizer.param_groups:
                group["lr"] = self.learning_rate(context, steps)
            self.optimizer.zero_grad(set_to_none=True)
            loss, extra = self.loss(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            self._amend_gradients(mu, anchors)
            self.optimizer.step()
            for name, value in {"loss": float(loss.detach()), **extra}.items():
                sums[name] = sums.get(name, 0.0) + value
            steps += 1
        if not steps:
            raise InputError(f"site {context.site} has no batch to train on in round {context.round}")
        return TaskOutput({name: total / steps for name, total in sums.items()}, self.train_size)

    def _amend_gradients(self, mu: float, anchors: list[Tensor]) -> None:
        parameters = list(self.network.parameters())
        for parameter, anchor in zip(parameters, anchors, strict=bool(anchors)):
            if parameter.grad is not None:
                parameter.grad.add_(parameter.detach() - anchor, alpha=mu)
        if self._clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, self._clip_norm)

    @staticmethod
    def _check(settings: Mapping[str, Any]) -> None:
        rate = float(settings.get("learning_rate", math.nan))
        if not (math.isfinite(rate) and rate > 0):
            raise InputError(f"learning_rate must be a finite number above 0, got {rate}")
        mu = float(settings.get("proximal_mu") or 0.0)
        if not (math.isfinite(mu) and mu >= 0):
            raise InputError(f"proximal_mu must be a finite number, 0 or above, got {mu}")


def _to_array(name: str, value: Tensor) -> np.ndarray[Any, Any]:
    try:
        array: np.ndarray[Any, Any] = value.detach().cpu().numpy().copy(order="C")
    except TypeError as error:
        raise TensorError(f"{name}: numpy has no counterpart of {value.dtype}; use another dtype") from error
    return array


def _to_tensor(name: str, array: np.ndarray[Any, Any], target: Tensor) -> Tensor:
    # A copy: the given array may be read-only or not contiguous, which torch does not take.
    value = torch.from_numpy(np.array(array))
    if value.shape != target.shape or value.dtype != target.dtype:
        raise TensorError(
            f"{name}: the model has {target.dtype} {tuple(target.shape)}, "
            f"got {value.dtype} {tuple(value.shape)}"
        )
    return value
