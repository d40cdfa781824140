"""Significance map: which submission is better than which, beyond what the choice of cases explains.

For each metric, and for each ordered pair (a, b), a one-sided Wilcoxon signed-rank test over the cases that
both have: "a is better than b". As R's ``wilcox.test(paired = TRUE, exact = FALSE)``: cases without a
difference are dropped, equal sizes have the mean of their ranks, normal approximation with corrections for
ties and continuity. The p values of all ordered pairs are adjusted after Holm (1979, Scand. J. Stat. 6:65).

A pair without any difference, or without a common case, has no test: it does not count among the tests, and
its p is 1. A missing value that the rules rank last loses by more than any value does; two missing values
do not differ.

Two maps: at each site, as the FeTS challenge had it, where S[a, b] is the number of (site, metric) with a
significantly better than b; and over the cases of all sites, a test for each metric.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaderboard.cases import CaseTable
from leaderboard.ranking.base import costs_of
from leaderboard.ranking.wilcoxon import signed_ranks
from leaderboard.site_summary import RankRules

ALPHA = 0.05

Floats = npt.NDArray[np.float64]

_PAIRS = 1024  # at a time: enough for 41 submissions at once, and bounded for more


@dataclass(frozen=True)
class Significance:
    """The tests of all ordered pairs (a, b): is a better than b?

    Attributes:
        submissions: Sorted by name.
        metrics: Of the tests.
        sites: Those with case values.
        alpha: Level of the tests.
        p: Over the cases of all sites, not adjusted, shape (metric, a, b); NaN where there is no test.
        p_adjusted: The same after Holm over all pairs of the metric; 1 where there is no test.
        wins_at_sites: At how many sites a is significantly better than b after Holm over all pairs of
            the site and metric, shape (metric, a, b).
    """

    submissions: tuple[str, ...]
    metrics: tuple[str, ...]
    sites: tuple[str, ...]
    alpha: float
    p: Floats
    p_adjusted: Floats
    wins_at_sites: npt.NDArray[np.int64]

    @property
    def better(self) -> npt.NDArray[np.bool_]:
        """Whether a is significantly better than b over all cases, shape (metric, a, b)."""
        return self.p_adjusted <= self.alpha

    @property
    def map_of_sites(self) -> npt.NDArray[np.int64]:
        """S[a, b]: the number of (site, metric) where a is significantly better than b."""
        total: npt.NDArray[np.int64] = self.wins_at_sites.sum(axis=0)
        return total


def significance(table: CaseTable, rules: RankRules, alpha: float = ALPHA) -> Significance:
    """Test all ordered pairs of submissions by each metric, at each site and over all cases.

    Args:
        table: Sites that gave a summary have no cases to test and are left out.
        rules: What counts as a value; the rule for ties does not matter.
        alpha: Level of the tests, reached by p <= alpha.

    Raises:
        TableError: A value is missing and the rules refuse it.
    """
    costs = _all_costs(table, rules)
    sites = [table.cases_of(site) for site in range(len(table.case_sites))]

    metrics, names = len(table.metrics), len(table.submissions)
    p = np.empty((metrics, names, names))
    adjusted = np.empty_like(p)
    wins = np.zeros(p.shape, np.int64)
    for metric in range(metrics):
        for cases in sites:
            wins[metric] += _holm_of_pairs(paired_p(costs[:, cases, metric])) <= alpha
        p[metric] = paired_p(costs[:, :, metric])
        adjusted[metric] = _holm_of_pairs(p[metric])
    return Significance(table.submissions, table.metrics, table.case_sites, alpha, p, adjusted, wins)


def paired_p(costs: Floats) -> Floats:
    """Return the p value of "a is better than b" for every ordered pair, shape (a, b).

    Args:
        costs: Lower is better, shape (submission, case); NaN where the submission has no such case, +inf
            for a value that is missing and ranked last.

    Returns:
        NaN where no case of the pair differs, and on the diagonal.
    """
    first, second = np.triu_indices(len(costs), 1)
    found = np.full((len(costs), len(costs)), np.nan)
    ones = np.ones((1, costs.shape[1]), np.uint32)
    for start in range(0, len(first), _PAIRS):
        a, b = first[start : start + _PAIRS], second[start : start + _PAIRS]
        greater, less = signed_ranks(_differences(costs[a], costs[b]), ones).z()
        found[a, b] = _upper_tail(less[:, 0])
        found[b, a] = _upper_tail(greater[:, 0])
    return found


def holm(p: npt.ArrayLike) -> Floats:
    """Return p values adjusted for their number after Holm; NaN is no test and stays.

    With the m values in ascending order, the k-th becomes the largest of (m - j + 1) p_j for j <= k, at
    most 1.

    Example:
        >>> holm([0.01, 0.04, 0.03, np.nan]).round(4).tolist()
        [0.03, 0.06, 0.06, nan]
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")[: np.count_nonzero(~np.isnan(values))]
    factors = np.arange(len(order), 0, -1)
    adjusted = np.full(len(values), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * values[order]), 1.0)
    return adjusted


def _all_costs(table: CaseTable, rules: RankRules) -> Floats:
    """Return the costs on all cases, shape (submission, case, metric); NaN where not evaluated."""
    costs = np.full(table.values.shape, np.nan)
    for site in range(len(table.case_sites)):
        costs[table.evaluated[:, site], table.cases_of(site)] = costs_of(table, rules, site)
    return costs


def _holm_of_pairs(p: Floats) -> Floats:
    """Return the adjusted p of all ordered pairs; 1 where there is no test."""
    adjusted = holm(p.ravel()).reshape(p.shape)
    return np.where(np.isnan(adjusted), 1.0, adjusted)


def _differences(a: Floats, b: Floats) -> Floats:
    """Return a - b such that 0 stands where the pair has no case, and missing loses to all values."""
    lost, won = np.isposinf(a), np.isposinf(b)
    both = ~(np.isnan(a) | np.isnan(b))
    plain = both & ~lost & ~won
    differences = np.subtract(a, b, out=np.zeros_like(a), where=plain)
    beyond = 2 * float(np.abs(differences).max(initial=0.5))
    return np.where(both & lost & ~won, beyond, np.where(both & won & ~lost, -beyond, differences))


def _upper_tail(z: Floats) -> Floats:
    """Return the standard normal's upper tail; NaN for the -inf of a pair without a difference."""
    half = [math.erfc(value / math.sqrt(2)) / 2 if value > -math.inf else math.nan for value in z.tolist()]
    return np.array(half)
