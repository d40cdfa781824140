from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.fets.answers import aggregated_tensor, hyper_parameters, selected_names
from tasks.task1_aggregation.strategy import RoundConfig


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (["2", "1"], ["2", "1"]),
        (("1",), ["1"]),
        (np.array(["10", "2"]), ["10", "2"]),
        (np.array("3"), ["3"]),
        (np.array([["1"], ["2"]]), ["1", "2"]),
        ({"2", "1"}, ["1", "2"]),
        ({"1": 3.0, "2": 4.0}.keys(), ["1", "2"]),
        (pd.Series(["1", "2"]), ["1", "2"]),
        ((name for name in "12"), ["1", "2"]),
        ([np.str_("7")], ["7"]),
    ],
)
def test_names_in_every_form(answer, names):
    result = selected_names(answer, "choose")
    assert result == names
    assert all(type(name) is str for name in result)


def test_duplicates_are_merged_with_a_warning(caplog):
    assert selected_names(["2", "1", "2"], "choose") == ["2", "1"]
    assert "3 names became 2" in caplog.text


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "returned None"),
        ([], "empty selection"),
        (np.array([], dtype=str), "empty selection"),
        ("12", "returned the text '12'"),
        ([1, 2], "names are text"),
        (5, "returned a int"),
    ],
)
def test_no_selection_is_an_error_that_says_so(answer, message):
    with pytest.raises(StrategyError, match=message) as caught:
        selected_names(answer, "choose")
    assert caught.value.function == "select_sites"


@pytest.mark.parametrize(
    ("answer", "config"),
    [
        ((5e-5, 1), RoundConfig(learning_rate=5e-5, epochs=1.0)),
        ((np.float32(0.5), np.ceil(1.2)), RoundConfig(learning_rate=0.5, epochs=2.0)),
        ([0.1, 0.5, None], RoundConfig(learning_rate=0.1, epochs=0.5)),
        ((0.1, None, 16), RoundConfig(learning_rate=0.1, batches=16)),
        ((0.1, None, np.int64(16)), RoundConfig(learning_rate=0.1, batches=16)),
        ((np.array([0.25]), np.array(3.0)), RoundConfig(learning_rate=0.25, epochs=3.0)),
        (np.array([0.25, 2.0]), RoundConfig(learning_rate=0.25, epochs=2.0)),
        ((torch.tensor(0.5), 1), RoundConfig(learning_rate=0.5, epochs=1.0)),
    ],
)
def test_hyper_parameters_of_both_editions(answer, config):
    assert hyper_parameters(answer, "hyper") == config


def test_no_epochs_in_the_form_of_2022_are_one_with_a_warning(caplog):
    assert hyper_parameters((0.1, None), "hyper").epochs == 1.0
    assert "None epochs" in caplog.text


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (0.1, "returned a float"),
        (None, "returned None"),
        ({"lr": 1, "epochs": 2}, "returned a dict"),
        ((0.1,), "returned 1 values"),
        ((0.1, 1, 8), "both of epochs and batches"),
        ((0.1, None, None), "neither of epochs and batches"),
        ((None, 1), "learning rate is None"),
        (("fast", 1), "learning rate is a str"),
        ((0.1, None, 2.5), "2.5 batches"),
    ],
)
def test_hyper_parameters_that_are_none(answer, message):
    with pytest.raises(StrategyError, match=message) as caught:
        hyper_parameters(answer, "hyper")
    assert caught.value.function == "configure_round"


def test_an_aggregate_gets_the_models_dtype():
    like = np.zeros(2, np.float32)
    for answer in (np.array([0.1, 0.2]), [0.1, 0.2], torch.tensor([0.1, 0.2])):
        result = aggregated_tensor(answer, like, "conv.weight", "mean")
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, np.array([0.1, 0.2], np.float32))


def test_integer_tensors_are_rounded_not_cut():
    like = np.array(0, np.int64)
    result = aggregated_tensor(np.float64(7.6), like, "norm.batches", "mean")
    assert isinstance(result, np.ndarray)
    assert (result.dtype, int(result)) == (np.int64, 8)


def test_an_aggregate_is_a_copy():
    like = np.zeros(2, np.float32)
    answer = np.ones(2, np.float32)
    result = aggregated_tensor(answer, like, "w", "mean")
    answer[:] = 5
    assert result.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "returned None for 'w'"),
        (np.zeros(3), r"shape \(3,\) for 'w', which has shape \(2,\)"),
        ([[1.0], [1.0, 2.0]], "no array"),
        (["a", "b"], "dtype <U1"),
        (np.array([1j, 2]), "dtype complex128"),
    ],
)
def test_an_aggregate_that_is_none(answer, message):
    with pytest.raises(StrategyError, match=message) as caught:
        aggregated_tensor(answer, np.zeros(2, np.float32), "w", "mean")
    assert caught.value.function == "aggregate"


def test_a_non_finite_value_for_an_integer_tensor_is_named():
    with pytest.raises(StrategyError, match="not finite for 'n'"):
        aggregated_tensor(np.array([np.nan]), np.zeros(1, np.int64), "n", "mean")
