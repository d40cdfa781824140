"""Server momentum (2022): the velocity lives in tensor_db."""

# ruff: noqa

import numpy as np


def aggregation_function(local_tensors, tensor_db, tensor_name, fl_round, chosen, times):
    tensor_db.store(tensor_name="momentum", nparray=0.9, overwrite=False)
    tensor_db.store(tensor_name="aggregator_lr", nparray=1.0, overwrite=False)
    weights = [t.weight for t in local_tensors]
    average = np.average([t.tensor for t in local_tensors], weights=weights, axis=0)
    if fl_round == 0:
        if tensor_name not in tensor_db.search(tags=("weight_speeds",))["tensor_name"]:
            tensor_db.store(
                tensor_name=tensor_name,
                tags=("weight_speeds",),
                nparray=np.zeros_like(local_tensors[0].tensor),
            )
        return average
    if not (tensor_name.endswith("weight") or tensor_name.endswith("bias")):
        return average
    previous = None
    for _, record in tensor_db.iterrows():
        if (
            record["round"] == fl_round
            and record["tensor_name"] == tensor_name
            and record["tags"] == ("aggregated",)
        ):
            previous = record["nparray"]
            break
    deltas = [previous - t.tensor for t in local_tensors]
    speed = tensor_db.retrieve(tensor_name=tensor_name, tags=("weight_speeds",))
    momentum = float(tensor_db.retrieve(tensor_name="momentum"))
    lr = float(tensor_db.retrieve(tensor_name="aggregator_lr"))
    speed = momentum * speed + np.average(deltas, weights=weights, axis=0)
    tensor_db.store(tensor_name=tensor_name, tags=("weight_speeds",), nparray=speed)
    return previous - lr * speed
