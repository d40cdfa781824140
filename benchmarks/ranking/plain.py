"""The same resamples ranked with numpy and scipy, one drawn site at a time: the floor to beat."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaderboard.cases import CaseTable
from leaderboard.metric_direction import lower_is_better
from leaderboard.ranking.draws import Draws


def plain_ranks(table: CaseTable, draws: Draws) -> npt.NDArray[np.float64]:
    """Return the ranks of ``fets2022-task2-py`` in each resample, shape (resample, submission).

    For a table without missing values. Ranks on cases are made once; each resample then takes the cases
    of its sites, means and ranks.
    """
    from scipy.stats import rankdata

    signs = np.array([1.0 if lower_is_better(metric) else -1.0 for metric in table.metrics])
    on_cases = rankdata(table.values * signs, method="min", axis=0)
    total = np.zeros((draws.resamples, len(table.submissions)))
    for site, (owners, counts) in enumerate(zip(draws.owners, draws.counts, strict=True)):
        own = on_cases[:, table.cases_of(site)]
        for resample, count in zip(owners, counts, strict=True):
            chosen = own[:, np.repeat(np.arange(len(count)), count)]
            total[resample] += rankdata(chosen.mean(axis=1), method="min", axis=0).sum(axis=1)
    slots = len(table.sites) * len(table.metrics)
    ranks: npt.NDArray[np.float64] = rankdata(total / slots, method="min", axis=1)
    return ranks
