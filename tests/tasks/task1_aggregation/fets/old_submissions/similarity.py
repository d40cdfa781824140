"""Similarity weights; shuffles the list it is given and keeps a file."""

# ruff: noqa

import os
import numpy as np


def choose_training_collaborators(collaborators, db_iterator, fl_round, chosen, times):
    np.random.shuffle(collaborators)
    window = max(1, int(0.5 * len(collaborators)))
    picked = collaborators[:window]
    if os.path.exists("used.npy"):
        used = list(np.load("used.npy"))
        fresh = [c for c in collaborators if c not in used]
        picked = fresh[:window] if fresh else picked
        if not fresh:
            os.remove("used.npy")
            used = []
        np.save("used.npy", np.array(used + picked))
    else:
        np.save("used.npy", np.array(picked))
    return picked


def aggregation_function(local_tensors, tensor_db, tensor_name, fl_round, chosen, times):
    tensors = [t.tensor for t in local_tensors]
    weights = np.array([t.weight for t in local_tensors])
    sums = np.array([np.sum(t) for t in tensors])
    distance = np.abs(np.sum(np.mean(tensors, axis=0)) - sums)
    similarity = (1e-5 + np.sum(distance)) / (1e-5 + distance)
    similarity = similarity / np.sum(similarity)
    weights = weights + similarity
    weights = weights / weights.sum()
    if fl_round > 1:
        tensors[0][...] = tensors[0]
    return np.round(np.average(tensors, weights=weights, axis=0), 4)
