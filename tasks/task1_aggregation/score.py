"""The score of a model: over all validation cases of all sites, each case weighing the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fl_core.errors import FederationError
from fl_core.executor.base import TaskReport

METRIC_OF = {"hard_regions": "dice", "fets2022_soft": "valid_dice"}


@dataclass(frozen=True)
class SiteScore:
    """Means over all validation cases, by metric."""

    metrics: Mapping[str, float]

    def value(self, kind: str) -> float:
        """Return the score of that kind; NaN where it could not be measured."""
        return self.metrics.get(METRIC_OF[kind], math.nan)

    def dice(self, region: str) -> float:
        """Return the mean Dice of a region (``wt``, ``tc``, ``et``); NaN where it was not measured."""
        return self.metrics.get(f"dice_{region}", math.nan)


def pooled(reports: Sequence[TaskReport]) -> SiteScore:
    """Return the means over the cases of all sites: ``sum_k n_k * m_k / sum_k n_k``.

    Args:
        reports: One validation per site, in name order (the order of summing).

    Raises:
        FederationError: No site has a validation case.
    """
    total = sum(report.samples for report in reports)
    if not total:
        raise FederationError("no site has a validation case; the model cannot be scored")
    names = sorted(set.intersection(*(set(report.metrics) for report in reports if report.samples)))
    return SiteScore(
        {name: sum(r.samples * r.metrics[name] for r in reports if r.samples) / total for name in names}
    )
