"""What is fixed for a whole run of Task 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ExperimentSettings:
    """What is fixed for a whole run.

    Attributes:
        seed: The run's seed.
        rounds: How many rounds to train.
        horizon_s: Simulated seconds over which convergence is scored; the run ends there.
        learning_rate: Where the strategy leaves it open.
        epochs: Where the strategy leaves it open.
        score_every: Every how many rounds the model is scored.
        score_kind: ``hard_regions``: mean over cases of the mean hard Dice of WT, TC, ET;
            ``fets2022_soft``: the challenge's soft Dice over four labels with background.
        hausdorff: Whether sites measure HD95 in validation too (slower).
        credit_last: Whether the last model's score counts for convergence (not in ``fets2022``).
        direction: Whether a higher or a lower score is better.
        delta_updates: Whether sites send ``trained - received``.
    """

    seed: int
    rounds: int
    horizon_s: float
    learning_rate: float
    epochs: float = 1.0
    score_every: int = 1
    score_kind: Literal["hard_regions", "fets2022_soft"] = "hard_regions"
    hausdorff: bool = False
    credit_last: bool = True
    direction: Literal["higher", "lower"] = "higher"
    delta_updates: bool = False
