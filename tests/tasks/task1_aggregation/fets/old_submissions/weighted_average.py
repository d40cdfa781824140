"""The weighted average, as the template of 2022 has it."""

# ruff: noqa

import numpy as np


def aggregation_function(
    local_tensors,
    tensor_db,
    tensor_name,
    fl_round,
    collaborators_chosen_each_round,
    collaborator_times_per_round,
):
    values = [t.tensor for t in local_tensors]
    weights = [t.weight for t in local_tensors]
    return np.average(values, weights=weights, axis=0)
