"""What a round came to: metrics over all sites, and each site's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fl_core.aggregation.weighted_mean import normalised
from fl_core.executor.base import TaskReport
from fl_core.federation.terms import Terms


@dataclass(frozen=True)
class SiteRow:
    """One site in one round.

    Attributes:
        round: The round.
        site: The site.
        status: ``ok``, ``dropped`` or ``no tasks``.
        reason: Why it was dropped.
        tasks: Those that it had.
        samples: Of each task, by name.
        metrics: By ``task/metric``.
        wall_s: Seconds that its work took.
    """

    round: int
    site: str
    status: str
    reason: str = ""
    tasks: tuple[str, ...] = ()
    samples: Mapping[str, int] | None = None
    metrics: Mapping[str, float] | None = None
    wall_s: float | None = None


@dataclass(frozen=True)
class RoundRow:
    """One round.

    Attributes:
        round: The round; the one after the last only validates.
        status: ``ok``, ``validation`` (nobody had to train), or ``too few updates`` (the model stayed).
        score: Of the model that the round started with; None where nobody measured it.
        best_score: Of the best model so far.
        selected: Sites that had tasks.
        received: Sites whose results count.
        dropped: Sites that were dropped.
        metrics: Means over the sites, each weighted by the samples of its task, by ``task/metric``.
    """

    round: int
    status: str
    score: float | None
    best_score: float | None
    selected: int
    received: int
    dropped: int
    metrics: Mapping[str, float]


def site_metrics(reports: Iterable[TaskReport]) -> dict[str, float]:
    """Return a site's metrics by ``task/metric``."""
    return {f"{report.task}/{name}": value for report in reports for name, value in report.metrics.items()}


def mean_metrics(reports: Mapping[str, tuple[TaskReport, ...]]) -> dict[str, float]:
    """Return means over the sites by ``task/metric``, weighted by the samples of the task.

    Where all sites claim no samples, they weigh the same.

    Example:
        >>> a = (TaskReport("validate", {"dice": 0.5}, 1),)
        >>> b = (TaskReport("validate", {"dice": 0.9}, 3),)
        >>> round(mean_metrics({"a": a, "b": b})["validate/dice"], 9)
        0.8
    """
    values: dict[str, list[tuple[int, float]]] = {}
    for site in sorted(reports):
        for report in reports[site]:
            for name, value in report.metrics.items():
                values.setdefault(f"{report.task}/{name}", []).append((report.samples, value))
    return {name: _mean(found) for name, found in sorted(values.items())}


def score_of(terms: Terms, reports: Mapping[str, tuple[TaskReport, ...]]) -> float | None:
    """Return the mean of the plan's best metric over the sites that measured the global model."""
    found = [
        (report.samples, report.metrics[terms.best_metric])
        for site in sorted(reports)
        for report in reports[site]
        if terms.validates_globally(report.task) and terms.best_metric in report.metrics
    ]
    return _mean(found) if found else None


def _mean(values: list[tuple[int, float]]) -> float:
    weights = normalised([samples for samples, _ in values])
    return sum(weight * value for weight, (_, value) in zip(weights, values, strict=True))
