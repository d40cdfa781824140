"""The participant's side of Task 1: choose sites, configure the round, aggregate.

A submission is a Python file with a subclass of `Strategy`, or with functions of these names.
What it leaves out is FedAvg's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fl_core.aggregation.weighted_mean import weighted_mean
from fl_core.tensors import Tensors
from tasks.task1_aggregation.context import RoundContext


@dataclass(frozen=True)
class RoundConfig:
    """How a site trains in one round; ``None`` leaves the plan's value.

    Attributes:
        learning_rate: Step size, finite and positive.
        epochs: Passes over the training cases; fractions are rounded to whole batches,
            ``max(1, floor(epochs * batches_per_epoch + 0.5))``.
        batches: Batches instead of epochs.
        proximal_mu: Weight of FedProx's ``mu/2 * ||w - w_global||^2``; 0 switches it off.
        broadcast: Extra arrays sent to the site beside the model.
        local_names: Names of tensors that stay at the site and are not aggregated.
    """

    learning_rate: float | None = None
    epochs: float | None = None
    batches: int | None = None
    proximal_mu: float = 0.0
    broadcast: Tensors = field(default_factory=dict)
    local_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Update:
    """A whole model that arrived from a site, read-only.

    Attributes:
        site: The site's name.
        tensors: The site's model after training, arrays by name.
        weight: The site's share of the training cases among this round's updates; sums to 1.
        n_train: The site's number of training cases.
        metrics: As in `SiteRecord.metrics`.
        staleness: How many rounds ago the site received the model it trained; 0 is current.
    """

    site: str
    tensors: Tensors
    weight: float
    n_train: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    staleness: int = 0


class Strategy:
    """FedAvg over all sites; override what should differ.

    Set ``resumes_from_state = True`` in a class that remembers nothing but `RoundContext.state`:
    its calls need not be recorded for a resume.

    Example:
        >>> class FastestHalf(Strategy):
        ...     def select_sites(self, context):
        ...         if not context.history:
        ...             return context.names
        ...         times = {n: r.time_s for n, r in context.history[-1].sites.items()}
        ...         return sorted(times, key=times.get)[: max(1, len(times) // 2)]
    """

    resumes_from_state: bool = False

    def select_sites(self, context: RoundContext) -> Iterable[str]:
        """Return the names of the sites that train in this round."""
        return context.names

    def configure_round(self, context: RoundContext) -> RoundConfig | Mapping[str, RoundConfig]:
        """Return one configuration for all selected sites, or one per site."""
        return RoundConfig()

    def aggregate(self, context: RoundContext, model: Tensors, updates: Sequence[Update]) -> Tensors:
        """Return the next global model: the same names, shapes and dtypes as `model`.

        The default is FedAvg (McMahan et al. 2017), ``sum_k weight_k * W_k``, in the arrays' dtype
        for floats; integer arrays are averaged in float64 and rounded.

        Args:
            context: The round.
            model: The global model that this round started with, read-only.
            updates: At least one, in name order.
        """
        weights = [update.weight for update in updates]
        return {name: weighted_mean([u.tensors[name] for u in updates], weights) for name in model}
