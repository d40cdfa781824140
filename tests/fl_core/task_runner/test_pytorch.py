from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fl_core.errors import InputError, TensorError
from fl_core.task_runner.base import TaskContext, TaskOutput
from fl_core.task_runner.pytorch import OptimizerFactory, PyTorchTaskRunner

ADAM: OptimizerFactory = lambda parameters: torch.optim.Adam(parameters, lr=1.0)  # noqa: E731
SGD: OptimizerFactory = lambda parameters: torch.optim.SGD(parameters, lr=1.0, momentum=0.9)  # noqa: E731


class Line(nn.Module):
    """y = w x + b, with a float64 and an integer buffer that must keep their types."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.b = nn.Parameter(torch.tensor(0.5))
        self.register_buffer("scale", torch.tensor([2.0], dtype=torch.float64))
        self.register_buffer("count", torch.tensor(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.w * x + self.b


class Runner(PyTorchTaskRunner):
    """Fits a line; batch k of round r is the number 1 + k + r."""

    @property
    def train_size(self) -> int:
        return 5

    def train_batches(self, context: TaskContext) -> Iterator[Any]:
        for step in range(int(context.settings["batches"])):
            yield torch.tensor([1.0, -1.0]) * (1 + step + context.round)

    def loss(self, batch: Any) -> tuple[Tensor, Mapping[str, float]]:
        return (self.network(batch) ** 2).mean(), {"size": float(batch.abs().sum())}

    def validate(self, context: TaskContext) -> TaskOutput:
        return TaskOutput({"valid_loss": float(self.network.b.detach())}, 1)


def context(batches: int = 2, round_: int = 0, **settings: float) -> TaskContext:
    return TaskContext(0, "a", round_, {"learning_rate": 0.1, "batches": batches, **settings})


def digest(tensors: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, tuple[str, bytes]]:
    return {name: (str(value.dtype), value.tobytes()) for name, value in tensors.items()}


def test_a_step_by_hand() -> None:
    runner = Runner(Line(), lambda parameters: torch.optim.SGD(parameters, lr=1.0))
    output = runner.train(context(batches=1))
    # x = (1, -1), y = (1.5, -1.5); dw = y x, db = mean(2 y) = 0.
    assert output.metrics == {"loss": pytest.approx(2.25), "size": 2.0}
    assert output.samples == 5
    assert runner.tensors()["w"] == pytest.approx([1 - 0.1 * 1.5, 2 - 0.1 * 1.5])
    assert runner.tensors()["b"] == pytest.approx(0.5)


def test_tensors_keep_their_types_both_ways_and_are_copies() -> None:
    runner = Runner(Line(), ADAM)
    tensors = runner.tensors()
    assert {name: str(value.dtype) for name, value in tensors.items()} == {
        "w": "float32",
        "b": "float32",
        "scale": "float64",
        "count": "int64",
    }
    tensors["w"][:] = 9
    assert runner.tensors()["w"].tolist() == [1, 2]
    for value in tensors.values():
        value.setflags(write=False)
    runner.load(tensors)
    assert digest(runner.tensors()) == digest(tensors)


def test_arrays_come_out_contiguous_whatever_the_modules_layout() -> None:
    network = nn.Conv3d(2, 3, 2).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    weight = Runner(network, ADAM).tensors()["weight"]
    assert weight.flags.c_contiguous
    assert np.array_equal(weight, network.weight.detach().numpy())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w": np.zeros(3, np.float32)}, "w: the model has"),
        ({"w": np.zeros(2, np.float64)}, "w: the model has torch.float32"),
        ({"z": np.zeros(2, np.float32)}, "'z' is not in the model|'z' is not in the tensors"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change: dict[str, Any], message: str) -> None:
    runner = Runner(Line(), ADAM)
    with pytest.raises(TensorError, match=message):
        runner.load({**runner.tensors(), **change})


def test_a_missing_tensor_is_named() -> None:
    runner = Runner(Line(), ADAM)
    tensors = runner.tensors()
    del tensors["b"]
    with pytest.raises(TensorError, match="'b' is not in the tensors"):
        runner.load(tensors)


def test_bfloat16_is_refused_by_name() -> None:
    with pytest.raises(TensorError, match=r"weight: numpy has no counterpart of torch\.bfloat16"):
        Runner(nn.Linear(1, 1, dtype=torch.bfloat16), ADAM).tensors()


@pytest.mark.parametrize("make", [ADAM, SGD], ids=["adam", "sgd"])
def test_an_optimizer_that_is_carried_over_continues_to_the_same_bytes(make: OptimizerFactory) -> None:
    whole = Runner(Line(), make)
    whole.train(context(round_=0))
    model, memory = whole.tensors(), whole.optimizer_tensors()
    assert memory
    assert all(name.split("/")[0] in ("w", "b") for name in memory)
    whole.train(context(round_=1))

    resumed = Runner(Line(), make)
    resumed.load(model)
    resumed.load_optimizer(memory)
    assert digest(resumed.optimizer_tensors()) == digest(memory)
    resumed.train(context(round_=1))
    assert digest(resumed.tensors()) == digest(whole.tensors())
    assert digest(resumed.optimizer_tensors()) == digest(whole.optimizer_tensors())


@pytest.mark.parametrize("make", [ADAM, SGD], ids=["adam", "sgd"])
def test_a_reset_optimizer_has_forgotten_everything(make: OptimizerFactory) -> None:
    used, fresh = Runner(Line(), make), Runner(Line(), make)
    used.train(context(round_=0))
    used.reset_optimizer()
    assert used.optimizer_tensors() == {}
    fresh.load(used.tensors())
    kept = Runner(Line(), make)
    kept.train(context(round_=0))
    for runner in (used, fresh, kept):
        runner.train(context(round_=1))
    assert digest(used.tensors()) == digest(fresh.tensors())
    assert digest(used.tensors()) != digest(kept.tensors())


def test_loading_no_optimizer_state_is_a_reset() -> None:
    runner = Runner(Line(), ADAM)
    runner.train(context())
    runner.load_optimizer({})
    assert runner.optimizer_tensors() == {}


def test_optimizer_state_of_another_model_is_refused() -> None:
    with pytest.raises(TensorError, match=r"'v/exp_avg' belongs to no parameter"):
        Runner(Line(), ADAM).load_optimizer({"v/exp_avg": np.zeros(2, np.float32)})


def test_an_optimizer_whose_state_is_no_tensor_says_so() -> None:
    runner = Runner(Line(), ADAM)
    runner.train(context())
    runner.optimizer.state[runner.network.w]["steps"] = 3
    with pytest.raises(TensorError, match="set opt_treatment to RESET"):
        runner.optimizer_tensors()


def test_the_proximal_term_pulls_towards_the_rounds_start() -> None:
    def moved(mu: float) -> float:
        runner = Runner(Line(), lambda parameters: torch.optim.SGD(parameters, lr=1.0))
        runner.train(context(batches=6, proximal_mu=mu))
        return float(np.abs(runner.tensors()["w"] - [1, 2]).max())

    assert moved(5.0) < moved(1.0) < moved(0.0)
    # One step by hand: the term vanishes at the start, so the first step does not feel it.
    one = Runner(Line(), lambda parameters: torch.optim.SGD(parameters, lr=1.0))
    one.train(context(batches=1, proximal_mu=5.0))
    assert one.tensors()["w"] == pytest.approx([0.85, 1.85])


def test_long_gradients_are_clipped() -> None:
    runner = Runner(Line(), lambda parameters: torch.optim.SGD(parameters, lr=1.0), clip_norm=0.01)
    runner.train(context(batches=1))
    step = np.append(runner.tensors()["w"] - [1, 2], runner.tensors()["b"] - 0.5)
    assert np.linalg.norm(step) == pytest.approx(0.1 * 0.01, rel=1e-3)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_learning_rate_that_cannot_be_is_refused(rate: float) -> None:
    with pytest.raises(InputError, match="learning_rate must be a finite number above 0"):
        Runner(Line(), ADAM).train(context(learning_rate=rate))


def test_a_round_without_batches_is_refused() -> None:
    with pytest.raises(InputError, match="site a has no batch to train on in round 3"):
        Runner(Line(), ADAM).train(context(batches=0, round_=3))


def test_a_proximal_term_below_zero_is_refused() -> None:
    with pytest.raises(InputError, match="proximal_mu"):
        Runner(Line(), ADAM).train(context(proximal_mu=-1.0))
