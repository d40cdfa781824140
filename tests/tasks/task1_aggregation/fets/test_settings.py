from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.fets.settings import read_call


def aggregate(local_tensors, tensor_db, tensor_name, fl_round, chosen, times):
    return None


def choose(collaborators, db_iterator, fl_round, chosen, times):
    return collaborators


def hyper(collaborators, db_iterator, fl_round, chosen, times):
    return 0.1, 1


def test_2022_by_position():
    call = read_call(
        (aggregate, choose, hyper, "p.csv", "/data", 7, 12, "cuda", False, "experiment_1", True, True), {}
    )
    assert call.functions.aggregation_function is aggregate
    assert call.functions.training_hyper_parameters_for_round is hyper
    assert call.settings == {
        "institution_split_csv_filename": "p.csv",
        "brats_training_data_parent_dir": "/data",
        "db_store_rounds": 7,
        "rounds_to_train": 12,
        "device": "cuda",
        "save_checkpoints": False,
        "restore_from_checkpoint_folder": "experiment_1",
        "include_validation_with_hausdorff": True,
        "use_pretrained_model": True,
    }
    ignored = [note.split("=")[0] for note in call.notes]
    assert ignored == [
        "institution_split_csv_filename",
        "brats_training_data_parent_dir",
        "device",
        "save_checkpoints",
        "restore_from_checkpoint_folder",
        "use_pretrained_model",
    ]


def test_2021_by_position_has_validation_functions_in_fourth_place():
    call = read_call((aggregate, choose, hyper, [("sensitivity", min)], "p.csv", "/data", 2, 300), {})
    assert call.settings["rounds_to_train"] == 300
    assert call.settings["validation_functions"] == "[sensitivity]"
    assert any("never sees an image" in note for note in call.notes)


def test_a_path_in_fourth_place_is_2022s_partition():
    call = read_call((aggregate, choose, hyper, Path("p.csv"), Path("data"), 2, 9), {})
    assert call.settings["rounds_to_train"] == 9
    assert call.settings["institution_split_csv_filename"] == "'p.csv'"


def test_what_is_not_given_takes_the_challenges_default():
    call = read_call((aggregate,), {"choose_training_collaborators": choose})
    assert call.settings == {"rounds_to_train": 5, "db_store_rounds": 5}
    assert call.functions.training_hyper_parameters_for_round is None
    assert call.notes == ("rounds_to_train was not given: 5, run_challenge_experiment's default",)


def test_unknown_arguments_are_noted_and_settings_stay_plain():
    call = read_call((), {"backend_process": "ray", "callback": choose, "rounds_to_train": np.int64(3)})
    assert call.settings["rounds_to_train"] == 3
    assert type(call.settings["rounds_to_train"]) is int
    assert call.settings["callback"] == "a function"
    assert call.notes[0] == "backend_process='ray' is ignored: run_challenge_experiment has no such argument"
    assert all(
        value is None or isinstance(value, bool | int | float | str) for value in call.settings.values()
    )


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((aggregate,), {"aggregation_function": aggregate}, "aggregation_function twice"),
        ((1,) * 20, {}, "got 20 arguments by position"),
        ((), {"rounds_to_train": 0}, "whole number from 1, not 0"),
        ((), {"rounds_to_train": "many"}, "whole number from 1, not 'many'"),
        ((), {"db_store_rounds": 1.5}, "whole number from -1"),
        (("mean",), {}, "aggregation_function is a str, not a function"),
        ((choose,), {}, "called with 6 arguments"),
        ((), {"choose_training_collaborators": partial(choose, times=None)}, "called with 5 arguments"),
    ],
)
def test_calls_that_cannot_be(args, kwargs, message):
    with pytest.raises(StrategyError, match=message) as caught:
        read_call(args, kwargs)
    assert caught.value.function == "load"
