"""Clipped changes, from the row of the previous model."""

# ruff: noqa

import numpy as np


def aggregation_function(local_tensors, tensor_db, tensor_name, fl_round, chosen, times):
    previous = tensor_db.search(
        tensor_name=tensor_name, fl_round=fl_round, tags=("model",), origin="aggregator"
    )
    if previous.shape[0] > 1:
        raise ValueError("several")
    weights = [t.weight for t in local_tensors]
    if previous.shape[0] < 1:
        return np.average([t.tensor for t in local_tensors], weights=weights, axis=0)
    previous = previous.nparray.iloc[0]
    deltas = [t.tensor - previous for t in local_tensors]
    limit = np.percentile(np.abs(deltas), 80)
    clipped = [np.clip(d, -limit, limit) for d in deltas]
    return previous + np.average(clipped, weights=weights, axis=0)
