from __future__ import annotations

import numpy as np
import pytest

from fl_core.errors import InputError
from fl_core.task_runner.base import TaskContext
from fl_core.task_runner.plus_one import open_source

CONTEXT = TaskContext(seed=0, site="1", round=0)


def test_training_adds_the_step_to_floats_only_and_the_metric_is_their_mean() -> None:
    runner = open_source({"step": 0.5, "sites": {"1": [7, 3]}, "metrics": ["dice", "other"]}).open("1")
    runner.load({"w": np.full((2, 2), 1.0, np.float32), "h": np.zeros(4, np.float16), "n": np.array([5])})
    before = runner.validate(CONTEXT)
    assert before.metrics == {"dice": 0.5, "other": 0.5} and before.samples == 3 and before.rows == ()
    output = runner.train(CONTEXT)
    assert output.metrics == {"loss": -1.0} and output.samples == 7
    tensors = runner.tensors()
    assert tensors["w"].tolist() == [[1.5, 1.5]] * 2 and tensors["w"].dtype == np.float32
    assert tensors["h"].tolist() == [0.5] * 4 and tensors["h"].dtype == np.float16
    assert tensors["n"].tolist() == [5]
    asked = TaskContext(seed=0, site="1", round=0, settings={"rows": True})
    assert [row["case"] for row in runner.validate(asked).rows] == ["1-0", "1-1", "1-2"]


def test_the_optimizer_counts_trainings() -> None:
    source = open_source({"shapes": {"w": [2]}})
    runner = source.open("1")
    assert runner.tensors()["w"].tolist() == [0, 0] and runner.optimizer_tensors() == {}
    runner.train(CONTEXT)
    runner.train(CONTEXT)
    state = runner.optimizer_tensors()
    other = source.open("2")
    other.load_optimizer(state)
    other.train(CONTEXT)
    assert other.optimizer_tensors()["steps"].tolist() == [3]
    other.reset_optimizer()
    assert other.optimizer_tensors() == {}


def test_training_never_writes_into_the_arrays_it_was_given() -> None:
    runner = open_source({}).open("1")
    given = np.zeros(3, np.float32)
    given.flags.writeable = False
    runner.load({"w": given})
    runner.train(CONTEXT)
    assert given.tolist() == [0, 0, 0] and runner.tensors()["w"].tolist() == [1, 1, 1]


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(InputError, match="no setting 'stpe'"):
        open_source({"stpe": 1})
