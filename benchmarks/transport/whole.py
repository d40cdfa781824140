"""An aggregation function that needs all updates at once: the mean, taken of whole models."""

from __future__ import annotations

from collections.abc import Sequence

from fl_core.aggregation.base import SiteUpdate
from fl_core.aggregation.weighted_mean import normalised, weighted_mean
from fl_core.tensors import Array, Tensors


class WholeMean:
    """FedAvg as an `Aggregation` that does not say it can do with one tensor at a time."""

    def __call__(self, model: Tensors, updates: Sequence[SiteUpdate]) -> dict[str, Array]:
        """Return the mean of the updates, all of which are held meanwhile."""
        weights = normalised([update.samples for update in updates])
        held = [dict(update.tensors) for update in updates]
        return {name: weighted_mean([tensors[name] for tensors in held], weights) for name in model}
