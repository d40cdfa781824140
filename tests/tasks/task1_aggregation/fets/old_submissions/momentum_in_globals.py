"""Server momentum (2021): the velocity lives in a global."""

# ruff: noqa

import numpy as np

weight_speeds = {}
momentum = 0.9


def aggregation_function(local_tensors, db_iterator, tensor_name, fl_round, chosen, times):
    global weight_speeds
    weights = [t.weight for t in local_tensors]
    average = np.average([t.tensor for t in local_tensors], weights=weights, axis=0)
    if fl_round == 0:
        weight_speeds.setdefault(tensor_name, np.zeros_like(local_tensors[0].tensor))
        return average
    if not tensor_name.endswith(("weight", "bias")):
        return average
    for record in db_iterator:
        if (
            record["round"] == fl_round
            and record["tensor_name"] == tensor_name
            and record["tags"] == ("aggregated",)
        ):
            previous = record["nparray"]
            break
    deltas = [previous - t.tensor for t in local_tensors]
    average = np.average(deltas, weights=weights, axis=0)
    weight_speeds[tensor_name] = momentum * weight_speeds[tensor_name] + average
    return previous - weight_speeds[tensor_name]
