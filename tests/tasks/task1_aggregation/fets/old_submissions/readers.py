"""Reads metric rows as 2021's teams did."""

# ruff: noqa

import numpy as np

seen = {}


def training_hyper_parameters_for_round(collaborators, db_iterator, fl_round, chosen, times):
    rows = list(db_iterator)
    assert list(db_iterator) == []
    if fl_round:
        loss = [
            r["nparray"]
            for r in rows
            if r["round"] == fl_round - 1 and r["tags"] == ("metric",) and r["tensor_name"] == "loss"
        ]
        dice = [
            r["nparray"]
            for r in rows
            if r["round"] == fl_round - 1
            and "metric" in r["tags"]
            and "validate_local" in r["tags"]
            and len(r["tags"]) == 2
            and "binary_DICE" in r["tensor_name"]
        ]
        used = {
            r["tensor_name"]: float(r["nparray"])
            for r in rows
            if r["round"] == fl_round - 1 and r["tags"] == ("hparam", "model")
        }
        seen[fl_round - 1] = {
            "loss": loss,
            "dice": dice,
            "hparam": used,
            "rounds": sorted({r["round"] for r in rows if "trained" in r["tags"]}),
            "metric_rounds": sorted({r["round"] for r in rows if "metric" in r["tags"]}),
        }
    return 0.01 * (fl_round + 1), 1


def aggregation_function(local_tensors, db_iterator, tensor_name, fl_round, chosen, times):
    assert set(chosen) == set(times) == set(range(fl_round + 1))
    own = {}
    for record in db_iterator:
        if record["tensor_name"] == "valid_dice" and record["round"] == fl_round and len(record["tags"]) == 3:
            if "validate_local" in record["tags"]:
                own[int(record["tags"][0])] = float(record["nparray"])
    weights = [own[int(t.col_name)] for t in local_tensors]
    return np.average([t.tensor for t in local_tensors], weights=weights, axis=0)
