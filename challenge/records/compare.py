"""Comparison of two runs on the cases that both were tested on: paired differences with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from challenge.records.errors import ComparisonError

METRICS = tuple(
    f"{measure}_{region}"
    for measure in ("dice", "hd95", "sensitivity", "specificity", "precision")
    for region in ("wt", "tc", "et")
)
Case = tuple[str, str]  # (site, case)
Scores = Mapping[Case, Mapping[str, float]]


def lower_is_better(metric: str) -> bool:
    """Whether a smaller value of `metric` is the better one (the Hausdorff distances).

    Example:
        >>> lower_is_better("hd95_wt"), lower_is_better("dice_wt")
        (True, False)
    """
    return metric.startswith("hd95")


@dataclass(frozen=True)
class PairedDifference:
    """One metric of two runs over their common cases.

    Attributes:
        metric: A column of ``cases.csv``.
        cases: On how many cases both have a value.
        mean_a: Mean of run A.
        mean_b: Mean of run B.
        difference: Mean over cases of B - A; 0 ≤ Dice ≤ 1, HD95 in mm.
        low: Lower end of the interval of `difference`.
        high: Upper end.
        wins: Cases in which B is better.
        ties: Cases in which both are equal.
        losses: Cases in which A is better.
    """

    metric: str
    cases: int
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    wins: int
    ties: int
    losses: int


def common_cases(a: Scores, b: Scores) -> list[Case]:
    """Return the (site, case) pairs that both runs have, sorted."""
    return sorted(a.keys() & b.keys())


def compare_cases(
    a: Scores, b: Scores, rng_seed: int = 0, resamples: int = 2000, level: float = 0.95
) -> list[PairedDifference]:
    """Compare two runs case by case, a row a metric that both have.

    The interval is the percentile bootstrap (Efron 1979) of the mean difference on two levels: sites are
    drawn with replacement, then cases within each. It covers the choice of both.

    Args:
        a: Metrics of run A by (site, case); a missing value is absent or NaN.
        b: The same of run B.
        rng_seed: Of the bootstrap; the same seed gives the same interval.
        resamples: How many.
        level: Coverage of the interval.

    Raises:
        ComparisonError: No case is in both runs, or none of them has a metric in both.

    Example:
        >>> a = {("1", "x"): {"dice_wt": 0.5}, ("1", "y"): {"dice_wt": 0.6}}
        >>> b = {("1", "x"): {"dice_wt": 0.75}, ("1", "y"): {"dice_wt": 0.6}}
        >>> row = compare_cases(a, b)[0]
        >>> row.metric, row.difference, row.wins, row.ties, row.losses
        ('dice_wt', 0.125, 1, 1, 0)
    """
    common = common_cases(a, b)
    if not common:
        raise ComparisonError(
            "the runs have no test case in common (same site and case); run both on one partition"
        )
    rows = []
    for number, metric in enumerate(METRICS):
        both = [case for case in common if _has(a[case], metric) and _has(b[case], metric)]
        if both:
            rng = np.random.default_rng([rng_seed, number])
            rows.append(_compare_metric(metric, both, a, b, rng, resamples, level))
    if not rows:
        raise ComparisonError("no common case has a value of the same metric in both runs' cases.csv")
    return rows


def _has(values: Mapping[str, float], metric: str) -> bool:
    return bool(np.isfinite(values.get(metric, np.nan)))


def _compare_metric(
    metric: str,
    cases: Sequence[Case],
    a: Scores,
    b: Scores,
    rng: np.random.Generator,
    resamples: int,
    level: float,
) -> PairedDifference:
    values_a = np.array([a[case][metric] for case in cases], dtype=np.float64)
    values_b = np.array([b[case][metric] for case in cases], dtype=np.float64)
    difference = values_b - values_a
    sites = np.array([site for site, _ in cases])
    tail = 100.0 * (1.0 - level) / 2.0
    means = _resampled_means(difference, sites, rng, resamples)
    low, high = np.percentile(means, [tail, 100.0 - tail])
    gain = -difference if lower_is_better(metric) else difference
    return PairedDifference(
        metric=metric,
        cases=len(cases),
        mean_a=float(values_a.mean()),
        mean_b=float(values_b.mean()),
        difference=float(difference.mean()),
        low=float(low),
        high=float(high),
        wins=int((gain > 0).sum()),
        ties=int((gain == 0).sum()),
        losses=int((gain < 0).sum()),
    )


def _resampled_means(
    values: NDArray[np.float64], sites: NDArray[np.str_], rng: np.random.Generator, resamples: int
) -> NDArray[np.float64]:
    """Return `resamples` means over cases of sites, both drawn with replacement."""
    names = np.unique(sites)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    total, count = np.zeros(resamples), np.zeros(resamples)
    for site, times in zip(names, drawn.T, strict=True):
        own = values[sites == site]
        for copy in range(int(times.max())):
            sums = own[rng.integers(0, own.size, size=(resamples, own.size))].sum(axis=1)
            total += np.where(times > copy, sums, 0.0)
            count += np.where(times > copy, own.size, 0)
    return total / count
