from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.task1_aggregation.fets.ledger import Ledger, Row
from tasks.task1_aggregation.fets.tensor_db import Views


@pytest.fixture
def views() -> Views:
    ledger = Ledger()
    for round_ in (0, 2, 1):
        ledger.put(Row("conv.weight", "aggregator", round_, False, ("model",), np.full(3, round_)))
        ledger.put(Row("valid_dice", "aggregator", round_, True, ("metric", "validate_agg"), np.array(0.5)))
    return Views(ledger)


def test_the_iterator_is_used_up_by_one_pass_latest_round_first(views):
    iterator = views.iterator()
    rows = list(iterator)
    assert [row["round"] for row in rows] == [2, 2, 1, 1, 0, 0]
    assert list(iterator) == []
    assert all(isinstance(row, pd.Series) for row in rows)
    assert list(rows[0].index) == ["round", "nparray", "tensor_name", "tags"]
    assert rows[0]["tags"] == ("model",)
    assert rows[0].tensor_name == "conv.weight"
    with pytest.raises(KeyError):
        rows[0]["origin"]


def test_a_record_behaves_as_a_series(views):
    record = next(views.iterator())
    round_, array, name, tags = record
    assert (round_, name, tags) == (2, "conv.weight", ("model",))
    np.testing.assert_array_equal(array, np.full(3, 2))
    assert record.to_dict()["tensor_name"] == "conv.weight"
    assert record.iloc[0] == 2
    assert record[["round", "tensor_name"]].tolist() == [2, "conv.weight"]
    record["round"] = 9
    assert record["round"] == 9
    assert record.to_dict()["round"] == 9


def test_search_agrees_in_all_that_is_given_and_is_empty_without_a_match(views):
    db = views.frame()
    found = db.search(tensor_name="conv.weight", fl_round=1, tags=("model",), origin="aggregator")
    assert found.shape == (1, 6)
    np.testing.assert_array_equal(found.nparray.iloc[0], np.full(3, 1))
    assert db.search(tensor_name="no such").shape == (0, 6)
    assert db.search(tensor_name="no such", tags=("model",)).empty
    assert db.search(tags=("validate_agg", "metric")).empty, "tags are compared as exact tuples"
    assert db.search(metric=True).shape[0] == 3


def test_store_and_retrieve_by_their_defaults(views):
    db = views.frame()
    db.store(tensor_name="momentum", nparray=0.9, overwrite=False)
    db.store(tensor_name="momentum", nparray=0.1, overwrite=False)
    assert db.retrieve(tensor_name="momentum") == 0.9
    db.store(tensor_name="momentum", nparray=0.1)
    assert db.retrieve(tensor_name="momentum") == 0.1
    assert db.retrieve(tensor_name="momentum", tags=("other",)) is None
    assert db.retrieve("conv.weight", "aggregator", 2, False, ("model",)).tolist() == [2, 2, 2]


def test_what_is_stored_shows_at_once_in_every_view(views):
    db = views.frame()
    db.store(tensor_name="speed", tags=("mine",), nparray=np.zeros((2, 2)))
    db.store(tensor_name="speed", tags=("mine",), nparray=np.ones((2, 2)))
    assert len(db) == 7
    by_name = db[(db["tensor_name"] == "speed") & (db["tags"] == ("mine",))]
    assert by_name.shape[0] == 1
    np.testing.assert_array_equal(by_name["nparray"].iloc[0], np.ones((2, 2)))
    assert db.query("tensor_name == 'speed'").shape[0] == 1
    scanned = [row for _, row in db.iterrows() if row["tensor_name"] == "speed"]
    np.testing.assert_array_equal(scanned[0]["nparray"], np.ones((2, 2)))
    assert scanned[0]["origin"] == "_"
    assert next(views.iterator())["tensor_name"] == "speed", "without a round it is of round 1000000"
    assert views.frame() is db


def test_equal_shaped_arrays_and_tuples_stay_what_they_are(views):
    db = views.frame()
    assert all(isinstance(tags, tuple) for tags in db["tags"])
    assert all(isinstance(array, np.ndarray) for array in db["nparray"])
    assert db["round"].max() == 2


def test_a_change_of_the_view_does_not_reach_the_ledger(views):
    db = views.frame()
    db.loc[:, "round"] = 77
    views.ledger.put(Row("conv.weight", "aggregator", 3, False, ("model",), np.zeros(3)))
    assert len(views.frame()) == 7


def test_forgetting_drops_old_tensors_from_all_views(views):
    list(views.iterator())
    views.forget(1)
    assert sorted(views.frame()["round"]) == [0, 1, 2, 2]
    assert [row["round"] for row in views.iterator()] == [2, 2, 1, 0]
