"""How certain a ranking is: two-level bootstrap of sites and of the cases within them.

A resample draws as many sites as there are, with replacement, and within each drawn site as many cases as
it has, with replacement; a site that is drawn twice has two choices of cases. The scheme ranks each
resample. What differs between resamples is what another draw of sites and cases might have given; sites
that gave a summary are drawn as a whole, which leaves out their share of the spread within sites.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaderboard.agreement import kendall_tau
from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.ranking.base import Scheme
from leaderboard.ranking.draws import Draws, as_it_is, two_level

LEVEL = 0.95
RESAMPLES = 1000
MOST_RESAMPLES = 100_000

Floats = npt.NDArray[np.float64]
Generators = Callable[[int], np.random.Generator]
"""Gives the generator of each block of resamples, by the block's number; the same one when asked again."""

_BLOCK = 125  # resamples that share a generator
_AT_A_TIME = 8  # blocks that are ranked together


@dataclass(frozen=True)
class Uncertainty:
    """What the resamples say; arrays of shape (submission,) where not said otherwise.

    Attributes:
        submissions: Sorted by name.
        resamples: How many.
        level: Of the intervals: 0.95.
        ranks: In each resample, shape (resample, submission).
        rank_low: Lower end of the rank's interval.
        rank_high: Upper end.
        p_first: Share of the resamples in which the submission is first; k that share the first place
            have one k-th each.
        before: How often a is before b, a tie being half: shape (a, b), 0.5 on the diagonal.
        tau: Mean over the resamples of Kendall's tau-b of their order with the point order.
        tau_low: Lower end of its interval.
        tau_high: Upper end.
    """

    submissions: tuple[str, ...]
    resamples: int
    level: float
    ranks: Floats
    rank_low: Floats
    rank_high: Floats
    p_first: Floats
    before: Floats
    tau: float
    tau_low: float
    tau_high: float


def bootstrap(
    scheme: Scheme,
    table: CaseTable,
    convergence: Mapping[str, float] | None,
    generators: Generators,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Uncertainty:
    """Rank many resamples of a table.

    The first resamples are the same however many are asked for. Convergence scores are not resampled:
    they belong to runs, not to cases.

    Args:
        scheme: Ranks; the table is prepared as it says.
        table: As for `Scheme.rank`.
        convergence: As for `Scheme.rank`.
        generators: Of random choices.
        resamples: At least 1.
        level: Of the intervals, between 0 and 1.

    Raises:
        TableError: `resamples` is out of range, or as for `Scheme.rank`.
    """
    if not 1 <= resamples <= MOST_RESAMPLES:
        raise TableError(f"resamples: {resamples} is out of range; choose 1 to {MOST_RESAMPLES}")
    table = scheme.prepare(table)
    point = scheme.rank_draws(table, convergence, as_it_is(table)).ranks[0]
    together = _BLOCK * _AT_A_TIME
    parts = []
    for start in range(0, resamples, together):
        draws = drawn(table, start // _BLOCK, min(together, resamples - start), generators)
        parts.append(scheme.rank_draws(table, convergence, draws).ranks)
    return summarised(table.submissions, np.concatenate(parts), point, level)


def drawn(table: CaseTable, block: int, resamples: int, generators: Generators) -> Draws:
    """Return resamples of a table from a block of random choices on, each block from its own generator.

    Args:
        table: What is resampled.
        block: Number of the first block.
        resamples: How many, at least 1.
        generators: Of random choices.
    """
    blocks = [
        two_level(table, _BLOCK, generators(block + number)) for number in range(-(-resamples // _BLOCK))
    ]
    owners, counts = [], []
    for site in range(len(table.sites)):
        mine = np.concatenate([part.owners[site] + n * _BLOCK for n, part in enumerate(blocks)])
        kept = int(np.searchsorted(mine, resamples))  # ascending
        owners.append(mine[:kept])
        counts.append(np.concatenate([part.counts[site] for part in blocks])[:kept])
    return Draws(resamples, tuple(owners), tuple(counts))


def summarised(submissions: tuple[str, ...], ranks: Floats, point: Floats, level: float) -> Uncertainty:
    """Return what the ranks of resamples say.

    The interval runs from the smallest rank that at least (1 - level) / 2 of the resamples do not exceed
    to the smallest that (1 + level) / 2 do not exceed, and further to the point rank where that lies
    outside.

    Args:
        submissions: Their names.
        ranks: Shape (resample, submission).
        point: The ranks in the table itself.
        level: Of the intervals.
    """
    low, high = _interval(ranks, level)
    taus = kendall_tau(ranks, point)
    tau_low, tau_high = _interval(taus[:, np.newaxis], level)
    first = ranks == ranks.min(axis=1, keepdims=True)
    before = np.empty((len(submissions), len(submissions)))
    for own in range(len(submissions)):
        mine = ranks[:, own, np.newaxis]
        before[own] = (mine < ranks).mean(axis=0) + (mine == ranks).mean(axis=0) / 2
    return Uncertainty(
        submissions,
        len(ranks),
        level,
        ranks,
        np.minimum(low, point),
        np.maximum(high, point),
        (first / first.sum(axis=1, keepdims=True)).mean(axis=0),
        before,
        float(taus.mean()),
        float(tau_low[0]),
        float(tau_high[0]),
    )


def _interval(values: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the quantiles at (1 - level) / 2 and (1 + level) / 2; each is one of the values."""
    ordered = np.sort(values, axis=0)
    # Rounded first: 0.975 * 1000 is 975 and nothing more.
    places = [round(len(ordered) * share, 6) for share in ((1 - level) / 2, (1 + level) / 2)]
    low, high = (ordered[max(int(np.ceil(place)), 1) - 1] for place in places)
    return low, high
