"""A module with the three functions in the form of the FeTS challenge 2021.

The rows come as an iterator; hyper-parameters are (learning rate, epochs, batches), one of the last None.

Run it: challenge run task1 --submission examples/fets2021_functions.py
"""

import numpy as np

DICE = ["performance_evaluation_metric_binary_DICE_" + region for region in ("ET", "TC", "WT")]

best_dice = -1.0
worse_rounds = 0


def choose_training_collaborators(
    collaborators, db_iterator, fl_round, collaborators_chosen_each_round, collaborator_times_per_round
):
    """Everyone in even rounds, the fastest of the last round in odd ones."""
    if fl_round % 2 == 0:
        return collaborators
    times = collaborator_times_per_round[fl_round - 1]
    return np.array([min(times, key=times.get)])


def training_hyper_parameters_for_round(
    collaborators, db_iterator, fl_round, collaborators_chosen_each_round, collaborator_times_per_round
):
    """Half the learning rate after two rounds without a better mean Dice."""
    global best_dice, worse_rounds
    scores = [
        float(record["nparray"])
        for record in db_iterator
        if record["round"] == fl_round - 1
        and record["tensor_name"] in DICE
        and record["tags"] == ("metric", "validate_agg")
    ]
    if scores:
        worse_rounds = 0 if np.mean(scores) > best_dice else worse_rounds + 1
        best_dice = max(best_dice, np.mean(scores))
    return 3e-3 * 0.5 ** (worse_rounds // 2), None, 8


def aggregation_function(
    local_tensors,
    db_iterator,
    tensor_name,
    fl_round,
    collaborators_chosen_each_round,
    collaborator_times_per_round,
):
    """The mean weighted by training cases and by each site's own Dice after training."""
    dice = {}
    for record in db_iterator:
        if record["round"] < fl_round:
            break  # the latest round comes first
        tags = record["tags"]
        if record["tensor_name"] in DICE and "validate_local" in tags and len(tags) == 3:
            dice.setdefault(int(tags[0]), []).append(float(record["nparray"]))
    weights = [
        local.weight * (0.1 + np.mean(dice.get(int(local.col_name), [0.0]))) for local in local_tensors
    ]
    return np.average([local.tensor for local in local_tensors], weights=weights, axis=0)
