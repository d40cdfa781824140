"""A board of the size of FeTS 2022, Task 2: 41 submissions, 32 sites, 2,625 cases, 6 metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leaderboard.cases import CaseTable
from leaderboard.metric_direction import RANKED_METRICS, lower_is_better

SIZES = (157, 130, 124, 52, 28, 26, 11, 9, *(87,) * 24)
"""Cases of each site: eight are known, the others share the rest."""

SUBMISSIONS = 41


def board(submissions: int = SUBMISSIONS, sizes: Sequence[int] = SIZES, seed: int = 0) -> CaseTable:
    """Return a made-up board: submissions of different skill on cases of different difficulty.

    Some cases are lost by some submissions (Dice 0, HD95 374) and some lesions are absent, so that there
    are true ties, as in real tables.
    """
    rng = np.random.default_rng(seed)
    cases = tuple((f"s{site:02}", f"c{case:04}") for site, size in enumerate(sizes) for case in range(size))
    shape = (submissions, len(cases), len(RANKED_METRICS))
    skill = rng.normal(0, 0.3, (submissions, 1, 1))
    difficulty = rng.normal(-1.5, 1, (1, len(cases), len(RANKED_METRICS)))
    dice = 1 / (1 + np.exp(difficulty - skill + rng.normal(0, 0.4, shape)))
    dice[rng.random(shape) < 0.01] = 0
    lower = np.array([lower_is_better(metric) for metric in RANKED_METRICS])
    values = np.where(lower, np.where(dice == 0, 374.0, 60 * (1 - dice)), dice)
    whole = np.ones(shape[:2], np.bool_)
    return CaseTable(
        tuple(f"m{number:02}" for number in range(submissions)),
        RANKED_METRICS,
        tuple(f"s{site:02}" for site in range(len(sizes))),
        cases,
        np.cumsum([0, *sizes]),
        values,
        whole,
        (values == 374.0).any(axis=2).astype(np.float64),
    )
