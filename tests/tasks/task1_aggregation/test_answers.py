"""Answers of strategies: what is refused, and that numbers become plain ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tasks.task1_aggregation.answers import check_configs, check_selection
from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.strategy import RoundConfig

MODEL = {"weight": np.zeros(2, np.float32)}


@pytest.mark.parametrize("number", [np.float64(1.5), np.float32(1.5), 1.5])
def test_numbers_become_plain_ones(number: Any) -> None:
    config = check_configs(RoundConfig(number, epochs=number, proximal_mu=number), ["1"], MODEL)["1"]

    assert config == RoundConfig(1.5, epochs=1.5, proximal_mu=1.5)
    assert {type(config.learning_rate), type(config.epochs), type(config.proximal_mu)} == {float}
    assert type(check_configs(RoundConfig(batches=np.int64(3)), ["1"], MODEL)["1"].batches) is int  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": math.inf}, "learning_rate"),
        ({"learning_rate": True}, "learning_rate"),
        ({"learning_rate": "0.1"}, "learning_rate"),
        ({"epochs": -1}, "epochs"),
        ({"epochs": math.nan}, "epochs"),
        ({"epochs": np.float32("nan")}, "epochs"),
        ({"epochs": 1, "batches": 2}, "not both"),
        ({"batches": 0}, "batches"),
        ({"batches": 1.5}, "batches"),
        ({"proximal_mu": -0.1}, "proximal_mu"),
        ({"proximal_mu": None}, "proximal_mu"),
        ({"local_names": ("x",)}, "'x'"),
        ({"broadcast": {"c": np.array([np.nan])}}, "'c'"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_site(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(StrategyError, match="configure_round: site 7") as caught:
        check_configs({"7": RoundConfig(**changes)}, ["7"], MODEL)
    assert rule in str(caught.value)


def test_a_selected_site_needs_a_configuration_and_others_are_passed_over() -> None:
    with pytest.raises(StrategyError, match="no RoundConfig for the selected site 2"):
        check_configs({"1": RoundConfig()}, ["1", "2"], MODEL)
    assert list(check_configs({"9": RoundConfig(), "1": RoundConfig()}, ["1"], MODEL)) == ["1"]


def test_a_selection_is_ordered_and_merged() -> None:
    assert check_selection(["10", "2", "10"], ["1", "10", "2"]).sites == ("10", "2")
    with pytest.raises(StrategyError, match="selected no site"):
        check_selection([], ["1"])
    with pytest.raises(StrategyError, match="no site is called '3'"):
        check_selection(["3"], ["1"])
