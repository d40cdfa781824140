"""The updates that arrive in a round, and how they pass between the engine and a strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fl_core.aggregation.base import SiteUpdate
from fl_core.aggregation.weighted_mean import normalised
from fl_core.executor.base import SiteReport
from fl_core.tensors import Tensors
from tasks.task1_aggregation.outages.effects import RoundPlay, SiteStatus
from tasks.task1_aggregation.run_state import RunState
from tasks.task1_aggregation.strategy import Update

Arrivals = Sequence[tuple[SiteReport, int]]
"""Reports that reach the aggregator in a round, with their staleness, in name order."""


def arrivals_of(state: RunState, play: RoundPlay, reports: Mapping[str, SiteReport]) -> Arrivals:
    """Return what arrives in a round: its own reports, and late ones of earlier rounds."""
    number = state.aggregator.round
    current = [(reports[n], 0) for n, site in play.sites.items() if site.status is SiteStatus.OK]
    stale = [(u.report, number - u.report.round) for u in state.deferred if u.arrives_s <= play.end_s]
    return sorted([*current, *stale], key=lambda arrival: arrival[0].site)


def as_updates(updates: Sequence[SiteUpdate]) -> list[Update]:
    """Return the engine's updates as participants see them, with weights that sum to 1."""
    weights = normalised([update.samples for update in updates])
    return [
        Update(u.site, dict(u.tensors), weight, u.samples, dict(u.metrics), u.staleness)
        for u, weight in zip(updates, weights, strict=True)
    ]


def own_arrays(answer: Tensors) -> dict[str, Any]:
    """Return an answer of ``aggregate`` with arrays that a strategy in this process cannot change later."""
    return {
        name: array.copy() if isinstance(array, np.ndarray) and array.flags.writeable else array
        for name, array in answer.items()
    }
