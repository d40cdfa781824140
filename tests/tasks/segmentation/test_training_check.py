from __future__ import annotations

from typing import Any

import pytest

from fl_core.errors import InputError
from tasks.segmentation.recipe import TRAINING
from tasks.segmentation.training_check import check_training


def test_the_recipe_itself_passes() -> None:
    check_training(TRAINING)
    check_training(
        {name: list(value) if isinstance(value, tuple) else value for name, value in TRAINING.items()}
    )
    check_training({"learning_rate": 1, "batches": 3, "optimizer": "sgd"})


@pytest.mark.parametrize("name", ["learning_rate", "epochs", "batch_size", "clip_norm"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0, -1, "fast", None, True, [1]])
def test_what_must_be_positive_and_is_not(name: str, value: object) -> None:
    with pytest.raises(
        InputError, match=rf"training\.{name} is .*; it must be a (finite|whole) number above 0"
    ):
        check_training({name: value})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learning_rat": 1}, r"training\.learning_rat is no setting; did you mean learning_rate\?"),
        ({"zzz": 1}, r"training\.zzz is no setting; the settings are batch_size, batches"),
        ({"patch": 7}, r"training\.patch is 7; it must be a list of 3, each a whole number above 0"),
        ({"patch": [32, 32]}, "a list of 3"),
        ({"patch": [32, 32, 0]}, "each a whole number above 0"),
        ({"batch_size": 1.5}, "a whole number above 0"),
        ({"flips": [1, 0, 1]}, "a list of 3, each true or false"),
        ({"gain": -0.1}, "a finite number from 0"),
        ({"tumour_fraction": 1.5}, "a number from 0 to 1"),
        ({"optimizer": "lion"}, r"training\.optimizer is 'lion'; it must be adam or sgd"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_do(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_training(given)
