"""The aggregator: the rules' shell, which holds the model and the updates of the open round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fl_core.aggregation.base import Aggregation, SiteUpdate
from fl_core.aggregation.weighted_mean import normalised, weighted_mean
from fl_core.aggregator.events import (
    DeadlinePassed,
    Event,
    ModelCommitted,
    ModelScored,
    ResultArrived,
    RoundOpened,
    SiteDropped,
)
from fl_core.aggregator.rounds import Effect, Refused, RoundComplete, RoundError, Rules, apply
from fl_core.aggregator.state import AggregatorState, Best, Phase
from fl_core.errors import TensorError
from fl_core.executor.base import OPTIMIZER_PREFIX, SiteReport
from fl_core.tensors import Array, Tensors
from fl_core.tensors.check import check_like
from fl_core.tensors.digest import digest


@dataclass(frozen=True)
class RoundClosed:
    """How a round ended.

    Attributes:
        received: Sites whose update counted, in name order.
        dropped: Reason by site that delivered no update though it had to.
        changed: Whether the updates sufficed for a new model.
        notes: Remarks on the aggregate (e.g. float64 cast back to float32).
    """

    received: tuple[str, ...]
    dropped: Mapping[str, str]
    changed: bool
    notes: tuple[str, ...] = ()


class Aggregator:
    """Leads rounds: opens one, takes reports, closes it with the next global model.

    It has no clock and does no I/O; deadlines and lost sites are told to it.

    Args:
        model: The initial model; its names, shapes and dtypes bind every update.
        rules: What the plan fixes.
        min_updates: With fewer updates in a round, the model stays.
        delta_updates: Whether sites send ``trained - received``.
        state: To go on from; a fresh start without.
        best: The best model, when going on.
        optimizer: The averaged optimizer arrays (CONTINUE_GLOBAL), when going on.
    """

    def __init__(
        self,
        model: Tensors,
        *,
        rules: Rules,
        min_updates: int = 1,
        delta_updates: bool = False,
        state: AggregatorState | None = None,
        best: Tensors | None = None,
        optimizer: Tensors | None = None,
    ) -> None:
        self._rules = rules
        self._min_updates = min_updates
        self._delta_updates = delta_updates
        self.model = _frozen(model)
        self.best_model = _frozen(best) if best is not None else self.model
        self.optimizer: Tensors = _frozen(optimizer or {})
        fresh = digest(self.model)
        self.state = state or AggregatorState(model=fresh, best=Best(0, fresh))
        if self.state.model != fresh:
            raise TensorError("the model is not the one that the aggregator's state names")
        self._updates: dict[str, SiteUpdate] = {}
        self._optimizers: dict[str, Tensors] = {}
        self._complete: RoundComplete | None = None

    @property
    def round(self) -> int:
        """The current round, from 0."""
        return self.state.round

    def open_round(self, assignments: Mapping[str, tuple[str, ...]]) -> None:
        """Begin the round with the given tasks by site."""
        self._updates, self._optimizers, self._complete = {}, {}, None
        self._feed(RoundOpened(self.round, assignments))

    def deliver(self, report: SiteReport, *, staleness: int = 0, whole: bool = False) -> str:
        """Take a site's report.

        Args:
            report: All tasks of the site, with its update.
            staleness: Rounds since the site received its model.
            whole: Whether the update is a whole model though the plan says deltas (it was made
                one when its round closed).

        Returns:
            Why the report does not count; empty where it does.
        """
        try:
            update, optimizer = self._checked(report, whole)
        except TensorError as error:
            self.drop(report.site, f"invalid update: {error}")
            return f"invalid update: {error}"
        tensor_digest = digest(update) if update else ""
        for task in report.reports:
            event = ResultArrived(
                report.site,
                self.round - staleness,
                task.task,
                task.samples,
                task.metrics,
                tensor_digest,
                staleness,
            )
            refused = [e for e in self._feed(event) if isinstance(e, Refused)]
            if refused:
                return refused[0].reason
        if update:
            self._updates[report.site] = SiteUpdate(
                report.site, update, _train_samples(report), _merged_metrics(report), staleness
            )
            self._optimizers[report.site] = optimizer
        return ""

    def drop(self, site: str, reason: str) -> None:
        """Go on without a site in this round."""
        self._feed(SiteDropped(site, self.round, reason))

    def end_of_time(self) -> None:
        """Drop whoever still owes a result."""
        self._feed(DeadlinePassed(self.round))

    def score(self, value: float) -> None:
        """Note the score of the model that this round started with."""
        before = self.state.best
        self._feed(ModelScored(self.round, value))
        if self.state.best is not before:
            self.best_model = self.model

    def close_round(self, aggregate: Aggregation) -> RoundClosed:
        """Make the next global model of what arrived.

        Raises:
            TensorError: The aggregate breaks a rule (names, shapes, dtypes, finite values).
            RoundError: A site still owes a result.
        """
        if self.state.phase is not Phase.AGGREGATING or self._complete is None:
            raise RoundError(f"round {self.round} still waits for {', '.join(self.state.pending())}")
        updates = [self._updates[site] for site in sorted(self._updates) if site in self._complete.received]
        dropped = dict(self._complete.dropped)
        received = tuple(update.site for update in updates)
        if len(updates) < max(1, self._min_updates):
            self._feed(ModelCommitted(self.round, self.state.model))
            return RoundClosed(received, dropped, changed=False)
        aggregated, notes = check_like(aggregate(self.model, updates), self.model, what="the aggregate")
        self.optimizer = self._mean_optimizer(updates)
        self.model = _frozen(aggregated)
        self._feed(ModelCommitted(self.round, digest(self.model)))
        return RoundClosed(received, dropped, changed=True, notes=tuple(notes))

    def _feed(self, event: Event) -> tuple[Effect, ...]:
        self.state, effects = apply(self.state, event, self._rules)
        for effect in effects:
            if isinstance(effect, RoundComplete):
                self._complete = effect
        return effects

    def _checked(self, report: SiteReport, whole: bool) -> tuple[Tensors, Tensors]:
        sent, optimizer = split_optimizer(report.tensors)
        if not sent:
            return {}, optimizer
        checked, _ = check_like(sent, self.model, what=f"the update of site {report.site}")
        if self._delta_updates and not whole:
            checked = apply_delta(self.model, checked)
        return _frozen(checked), optimizer

    def _mean_optimizer(self, updates: list[SiteUpdate]) -> Tensors:
        """Average the optimizers' arrays over the sites that sent the same ones."""
        senders = [update for update in updates if self._optimizers.get(update.site)]
        if not senders:
            return self.optimizer
        names = {name for name in self._optimizers[senders[0].site] if self._agree(name, senders)}
        weights = normalised([update.samples for update in senders])
        return _frozen(
            {
                name: weighted_mean([self._optimizers[u.site][name] for u in senders], weights)
                for name in sorted(names)
            }
        )

    def _agree(self, name: str, senders: list[SiteUpdate]) -> bool:
        """Whether every sender has that optimizer array, in one shape and dtype and finite."""
        arrays = [self._optimizers[update.site].get(name) for update in senders]
        first = arrays[0]
        return first is not None and all(
            array is not None
            and array.shape == first.shape
            and array.dtype == first.dtype
            and (array.dtype.kind != "f" or bool(np.isfinite(array).all()))
            for array in arrays
        )


def _train_samples(report: SiteReport) -> int:
    """Return the size of the data behind an update: that of the last task that trained it."""
    sizes = [task.samples for task in report.reports if task.trains]
    return sizes[-1] if sizes else 0


def _merged_metrics(report: SiteReport) -> dict[str, float]:
    return {name: value for task in report.reports for name, value in task.metrics.items()}


def split_optimizer(tensors: Tensors) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the model's arrays and the optimizer's."""
    model = {n: v for n, v in tensors.items() if not n.startswith(OPTIMIZER_PREFIX)}
    return model, {n: v for n, v in tensors.items() if n.startswith(OPTIMIZER_PREFIX)}


def apply_delta(received: Tensors, delta: Tensors) -> dict[str, Array]:
    """Return whole models from ``trained - received``; booleans travel whole."""
    return {
        name: value if value.dtype == np.bool_ else np.add(received[name], value, dtype=value.dtype)
        for name, value in delta.items()
    }


def _frozen(tensors: Tensors) -> dict[str, Array]:
    frozen = {}
    for name in sorted(tensors):
        view = np.asarray(tensors[name]).view()
        view.flags.writeable = False
        frozen[name] = view
    return frozen
