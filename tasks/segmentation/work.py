"""How much work a site's training is, in batches: the runner does it and the clock charges it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def batches_per_epoch(n_train: int, training: Mapping[str, Any]) -> int:
    """Return how many batches one epoch over a site's training cases has.

    Args:
        n_train: Number of training cases.
        training: Training settings; ``patches_per_case`` and ``batch_size`` are used.

    Raises:
        ValueError: There is no training case.

    Example:
        >>> batches_per_epoch(5, {"patches_per_case": 3, "batch_size": 2})
        8
    """
    if n_train < 1:
        raise ValueError(f"an epoch needs at least one training case, got {n_train}")
    return math.ceil(n_train * int(training["patches_per_case"]) / int(training["batch_size"]))


def batches(n_train: int, training: Mapping[str, Any]) -> int:
    """Return how many batches a round trains: ``batches`` if it is set, else ``epochs`` rounded half up.

    The formula is max(1, floor(epochs * batches_per_epoch + 0.5)).

    Raises:
        ValueError: There is no training case, or the amount of work is not a positive number.

    Example:
        >>> batches(5, {"patches_per_case": 3, "batch_size": 2, "epochs": 0.5})
        4
    """
    if training.get("batches") is not None:
        count = int(training["batches"])
        if count < 1:
            raise ValueError(f"batches must be at least 1, got {count}")
        return count
    epochs = float(training["epochs"])
    if not (math.isfinite(epochs) and epochs > 0):
        raise ValueError(f"epochs must be a finite number above 0, got {epochs}")
    return max(1, math.floor(epochs * batches_per_epoch(n_train, training) + 0.5))
