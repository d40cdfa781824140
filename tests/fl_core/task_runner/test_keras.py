"""The runner for Keras: what goes in comes out, and equal rounds are equal to the bit."""

from __future__ import annotations

import random
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_core.errors import InputError, TensorError
from fl_core.task_runner.base import TaskContext

if find_spec("keras") is None:
    pytest.skip("Keras is not installed (pip install 'fedbrats[keras]')", allow_module_level=True)

from fl_core.task_runner.keras import KerasTaskRunner, SiteArrays, keras
from fl_core.task_runner.native import save_native

CONTEXT = TaskContext(seed=1, site="a", round=0, settings={"epochs": 2, "batch_size": 8})


def build() -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse", metrics=["mae"])
    return model


def site() -> SiteArrays:
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(50, 4)).astype(np.float32)
    targets = inputs @ np.float32([[1.0], [-2.0], [0.5], [0.0]])
    return SiteArrays(inputs[:40], targets[:40], inputs[40:], targets[40:])


def runner(data: SiteArrays | None = None, seed: int = 0) -> KerasTaskRunner:
    return KerasTaskRunner(build, data, seed=seed)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_names_and_initial_weights_do_not_depend_on_what_the_process_did_before() -> None:
    first, second = runner().tensors(), runner().tensors()

    assert list(first)[:3] == ["0000.kernel", "0001.bias", "0002.gamma"]
    assert same(first, second) and not same(first, runner(seed=1).tensors())
    assert {name: array.dtype.name for name, array in first.items()} == dict.fromkeys(first, "float32")


def test_what_is_loaded_is_what_the_model_holds() -> None:
    one = runner()
    changed = {name: array + 1 for name, array in one.tensors().items()}

    one.load(changed)

    assert same(one.tensors(), changed)
    with pytest.raises(TensorError, match=r"'0000\.kernel' is not in the tensors"):
        one.load({name: array for name, array in changed.items() if name != "0000.kernel"})
    with pytest.raises(TensorError, match="float32"):
        one.load({name: array.astype(np.float64) for name, array in changed.items()})


def test_training_learns_and_equal_rounds_are_equal() -> None:
    ends, losses = [], []
    for _ in range(2):
        one = runner(site())
        before = one.validate(CONTEXT)
        trained = one.train(CONTEXT)
        ends.append(one.tensors())
        losses.append((before.metrics["loss"], one.validate(CONTEXT).metrics["loss"]))

    assert same(ends[0], ends[1]) and losses[0] == losses[1]
    assert losses[0][1] < losses[0][0]
    assert trained.samples == 40 and {"loss", "mae"} <= set(trained.metrics)
    assert before.samples == 10


def test_validating_changes_nothing() -> None:
    one = runner(site())
    before = one.tensors()

    one.validate(CONTEXT)

    assert same(one.tensors(), before)


def test_neither_earlier_rounds_nor_other_sites_change_a_round() -> None:
    fresh, used = runner(site()), runner(site())
    start = fresh.tensors()
    used.train(TaskContext(1, "b", 5, CONTEXT.settings))
    used.load(start)
    used.reset_optimizer()

    fresh.train(CONTEXT)
    used.train(CONTEXT)

    assert same(fresh.tensors(), used.tensors())


def test_the_process_own_generators_go_on_as_if_nothing_had_been_drawn() -> None:
    random.seed(3)
    expected = random.random()
    random.seed(3)

    runner(site()).train(CONTEXT)

    assert random.random() == expected


def test_the_optimizer_travels() -> None:
    one, other = runner(site()), runner(site())
    assert one.optimizer_tensors() == {}
    one.train(CONTEXT)
    learned = one.optimizer_tensors()
    assert int(learned["0000"]) == 10  # two epochs of five batches

    other.load(one.tensors())
    other.load_optimizer(learned)

    assert same(other.optimizer_tensors(), learned)
    one.train(CONTEXT)
    other.train(CONTEXT)
    assert same(one.tensors(), other.tensors())
    other.reset_optimizer()
    assert other.optimizer_tensors() == {}
    with pytest.raises(TensorError, match="'9999'"):
        other.load_optimizer({"9999": learned["0000"]})


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"epochs": 0}, "epochs"), ({"learning_rate": -1}, "learning_rate"), ({"proximal_mu": 0.1}, "proximal")],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, float], told: str) -> None:
    with pytest.raises(InputError, match=told):
        runner(site()).train(TaskContext(1, "a", 0, settings))


def test_without_data_there_is_only_the_model() -> None:
    with pytest.raises(InputError, match="site a has no samples"):
        runner().train(CONTEXT)


def test_keras_reads_what_is_saved_in_its_own_form(tmp_path: Path) -> None:
    one, other = runner(), build()

    told = save_native(one, tmp_path / "m.keras")
    save_native(one, tmp_path / "m.weights.h5")

    read = keras.saving.load_model(tmp_path / "m.keras")
    other.load_weights(tmp_path / "m.weights.h5")
    for model in (read, other):
        assert all(
            np.array_equal(a, b) for a, b in zip(model.get_weights(), one.tensors().values(), strict=True)
        )
    assert told == "a Keras model; keras.saving.load_model reads it"
    with pytest.raises(InputError, match=r"end the name in \.keras, \.npz, \.safetensors, \.weights\.h5"):
        save_native(one, tmp_path / "m.pt")
