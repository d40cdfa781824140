"""The fastest of the last round in odd ones; 2021's three values."""

# ruff: noqa

import numpy as np
from fets_challenge.experiment import logger


def choose_training_collaborators(
    collaborators, db_iterator, fl_round, collaborators_chosen_each_round, collaborator_times_per_round
):
    logger.info("choosing")
    if fl_round % 2 == 0:
        return collaborators
    fastest = np.inf
    for col, t in collaborator_times_per_round[fl_round - 1].items():
        if t < fastest:
            fastest, training = t, [col]
    return training


def training_hyper_parameters_for_round(
    collaborators, db_iterator, fl_round, collaborators_chosen_each_round, collaborator_times_per_round
):
    assert fl_round in collaborators_chosen_each_round
    assert fl_round not in collaborator_times_per_round
    return 1e-3 / len(collaborators_chosen_each_round[fl_round]), np.ceil(1.5), None
