"""Scores by pairs: each two submissions are compared only where both were evaluated.

A rank is one plus the number of those who are better. So a mean rank is one plus the sum, over the others,
of how often each is better; taken over the sites that both have, this is the mean rank wherever nothing is
missing, and defined where something is::

    score_a = 1 + (K - 1) * mean over b of [ mean over common sites and metrics of (b beats a) ]

A tie counts 0 under ``min`` and a half under ``average``. An opponent without a common site is left out of
the mean; a submission without any has no score (NaN).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaderboard.site_summary import Ties

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


def beaten_by(costs: npt.NDArray[Any], ties: Ties) -> npt.NDArray[np.uint8]:
    """Return twice how far b beats a, shape (column, a, b), from costs of shape (competitor, column).

    Example:
        >>> beaten_by(np.array([[1.0], [2.0], [2.0]]), "average")[0].tolist()
        [[0, 0, 0], [2, 0, 1], [2, 1, 0]]
    """
    own, other = costs.T[:, :, np.newaxis], costs.T[:, np.newaxis, :]
    beats = (other < own).astype(np.uint8)
    beats *= 2
    if ties == "average":
        beats += other == own
        itself = np.arange(len(costs))
        beats[:, itself, itself] = 0
    return beats


@dataclass(frozen=True)
class Pairs:
    """Sums over comparisons; both arrays of shape (resample, a, b).

    Attributes:
        beaten: Twice the sum of b beats a.
        compared: In how many comparisons.
    """

    beaten: Floats
    compared: Floats

    @staticmethod
    def none(resamples: int, competitors: int) -> Pairs:
        """Return sums over nothing."""
        shape = (resamples, competitors, competitors)
        return Pairs(np.zeros(shape), np.zeros(shape))

    def add(
        self,
        present: Ints,
        beaten: npt.NDArray[Any],
        owners: Ints,
        weights: npt.NDArray[Any] | None = None,
    ) -> None:
        """Add the comparisons among those present.

        Args:
            present: Indices of the competitors, shape (n,).
            beaten: Twice b beats a, shape (slot, n, n) or (1, n, n); with weights their sum over cases.
            owners: The resample of each slot, ascending.
            weights: How many comparisons each slot stands for, shape (slot,) or (1,); None for 1.
        """
        each = np.broadcast_to(1.0 if weights is None else np.asarray(weights, np.float64), len(owners))
        resamples, starts = np.unique(owners, return_index=True)
        where = np.ix_(resamples, present, present)
        shape = (len(owners), len(present), len(present))
        every = np.broadcast_to(beaten, shape)
        self.beaten[where] += np.add.reduceat(every, starts, axis=0, dtype=np.float64)
        self.compared[where] += np.add.reduceat(each, starts)[:, np.newaxis, np.newaxis]

    def scores(self) -> Floats:
        """Return the scores, shape (resample, competitor); NaN where nobody could be compared.

        Rounded to twelve decimals, so that equal submissions tie whatever the order of summing.
        """
        competitors = self.beaten.shape[1]
        common = (self.compared > 0) & ~np.eye(competitors, dtype=bool)
        share = np.divide(self.beaten, 2 * self.compared, out=np.zeros_like(self.beaten), where=common)
        opponents = common.sum(axis=2)
        mean = np.full(opponents.shape, np.nan)
        np.divide(share.sum(axis=2), opponents, out=mean, where=opponents > 0)
        if competitors == 1:
            return np.where(self.compared[:, :, 0] > 0, 1.0, np.nan)
        scores: Floats = np.round(1 + (competitors - 1) * mean, 12)
        return scores
