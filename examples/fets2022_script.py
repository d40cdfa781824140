"""A whole script in the form of the FeTS challenge 2022; it runs here unchanged.

Run it: challenge run task1 --submission examples/fets2022_script.py
"""

import os

import numpy as np
from fets_challenge import model_outputs_to_disc, run_challenge_experiment
from fets_challenge.experiment import logger

os.environ["CUDA_VISIBLE_DEVICES"] = "0"
np.random.seed(2022)  # noqa: NPY002 - as the scripts of 2022 do

MOMENTUM = 0.9
SERVER_LR = 1.0


def every_second_round_without_the_slowest(
    collaborators, db_iterator, fl_round, collaborators_chosen_each_round, collaborator_times_per_round
):
    if fl_round % 2 == 0 or len(collaborators) == 1:
        return collaborators
    times = collaborator_times_per_round[fl_round - 1]
    slowest = max(times, key=times.get)
    logger.info("round %d goes without %s", fl_round, slowest)
    return [name for name in collaborators if name != slowest]


def smaller_steps_when_the_dice_stalls(
    collaborators, db_iterator, fl_round, collaborators_chosen_each_round, collaborator_times_per_round
):
    means = {}
    for record in db_iterator:
        if record["tensor_name"] == "valid_dice" and record["tags"] == ("metric", "validate_agg"):
            means[record["round"]] = float(record["nparray"])
    learning_rate, best = 3e-3, -np.inf
    for _, dice in sorted(means.items()):
        if dice <= best:
            learning_rate *= 0.8
        best = max(best, dice)
    return learning_rate, np.float64(1.0)


def server_momentum(
    local_tensors,
    tensor_db,
    tensor_name,
    fl_round,
    collaborators_chosen_each_round,
    collaborator_times_per_round,
):
    mean = np.average(
        [local.tensor for local in local_tensors], weights=[local.weight for local in local_tensors], axis=0
    )
    previous = tensor_db.search(
        tensor_name=tensor_name, fl_round=fl_round, tags=("aggregated",), origin="aggregator"
    )
    if previous.shape[0] == 0 or not tensor_name.endswith(("weight", "bias")):
        return mean
    before = previous.nparray.iloc[0]
    speed = tensor_db.retrieve(tensor_name=tensor_name, tags=("speed",))
    speed = (before - mean) if speed is None else MOMENTUM * speed + (before - mean)
    tensor_db.store(tensor_name=tensor_name, tags=("speed",), nparray=speed)
    return before - SERVER_LR * speed


aggregation_function = server_momentum
choose_training_collaborators = every_second_round_without_the_slowest
training_hyper_parameters_for_round = smaller_steps_when_the_dice_stalls

include_validation_with_hausdorff = False
institution_split_csv_filename = "partitioning_1.csv"
brats_training_data_parent_dir = "/raid/datasets/FeTS22/MICCAI_FeTS2022_TrainingData"
db_store_rounds = 5
device = "cpu"
rounds_to_train = 5
save_checkpoints = True
restore_from_checkpoint_folder = None

scores_dataframe, checkpoint_folder = run_challenge_experiment(
    aggregation_function=aggregation_function,
    choose_training_collaborators=choose_training_collaborators,
    training_hyper_parameters_for_round=training_hyper_parameters_for_round,
    include_validation_with_hausdorff=include_validation_with_hausdorff,
    institution_split_csv_filename=institution_split_csv_filename,
    brats_training_data_parent_dir=brats_training_data_parent_dir,
    db_store_rounds=db_store_rounds,
    rounds_to_train=rounds_to_train,
    device=device,
    save_checkpoints=save_checkpoints,
    restore_from_checkpoint_folder=restore_from_checkpoint_folder,
)

print(scores_dataframe)
model_outputs_to_disc(data_path="validation", output_path="out", native_model_path=checkpoint_folder)
