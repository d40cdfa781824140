"""The aggregator: the rules' shell, which holds the model and the updates of the open round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from fl_core.aggregation.base import Aggregation, SiteUpdate
from fl_core.aggregation.tensorwise import Tensorwise, by_tensor, usable_threads
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
from fl_core.aggregator.received import received_update
from fl_core.aggregator.rounds import Effect, Refused, RoundComplete, RoundError, Rules, apply
from fl_core.aggregator.state import AggregatorState, Best, Phase
from fl_core.errors import TensorError
from fl_core.executor.base import SiteReport
from fl_core.tensors import Tensors
from fl_core.tensors.check import check_like, check_names, check_tensor, fitted, form_of
from fl_core.tensors.digest import digest as digest_of
from fl_core.tensors.lazy import LazyTensors


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

    It has no clock and does no I/O; deadlines and lost sites are told to it. Tensors may be lazy
    mappings (`fl_core.tensors.spooled`): they are read one at a time and never all kept.

    Args:
        model: The initial model; its names, shapes and dtypes bind every update.
        rules: What the plan fixes.
        min_updates: With fewer updates in a round, the model stays.
        delta_updates: Whether sites send ``trained - received``.
        state: To go on from; a fresh start without.
        best: The best model, when going on.
        optimizer: The averaged optimizer arrays (CONTINUE_GLOBAL), when going on.
        max_samples: The most samples that a site may claim, by site; see `Rules`.
        threads: How many make a tensor-wise aggregate; no influence on its bytes. At most two,
            or what the machine has, without.
        digest: Names the models in the state.
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
        max_samples: Mapping[str, int] | None = None,
        threads: int | None = None,
        digest: Callable[[Tensors], str] = digest_of,
    ) -> None:
        self._digest = digest
        self._rules = rules if max_samples is None else replace(rules, max_samples=dict(max_samples))
        self._threads = usable_threads() if threads is None else threads
        self._min_updates = min_updates
        self._delta_updates = delta_updates
        self._form = form_of(model)
        self.model = _held(model)
        self.best_model = _held(best) if best is not None else self.model
        self.optimizer: Tensors = _held(optimizer or {})
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

    def rebase(self, model: Tensors, best: Tensors) -> None:
        """Hold the same two models from another place, e.g. from the files they were saved to.

        Only the form is checked; that the bytes are the same is the caller's promise.

        Raises:
            TensorError: Names, shapes or dtypes are not the model's.
        """
        for what, tensors in (("the model", model), ("the best model", best)):
            check_names(tensors, self._form, what=what)
            for name, expected in self._form.items():
                array, subject = tensors[name], f"{what}: tensor {name!r}"
                if fitted(array, expected, subject) is not array:
                    raise TensorError(f"{subject} has dtype {array.dtype}; it must be {expected.dtype}")
        self.model, self.best_model = _held(model), _held(best)

    def deliver(
        self,
        report: SiteReport,
        *,
        staleness: int = 0,
        whole: bool = False,
        digest: str | None = None,
        checked: bool = False,
    ) -> str:
        """Take a site's report.

        Args:
            report: All tasks of the site, with its update.
            staleness: Rounds since the site received its model.
            whole: Whether the update is a whole model though the plan says deltas (it was made
                one when its round closed).
            digest: Of the update, where the caller knows one (e.g. its spool file's checksum), so
                that none has to be computed here.
            checked: Whether the caller has held the update against `received_update` before.

        Returns:
            Why the report does not count; empty where it does.
        """
        try:
            update, optimizer = received_update(
                report.tensors,
                self._form,
                base=self.model if self._delta_updates and not whole else None,
                what=f"the update of site {report.site}",
                checked=checked,
            )
        except TensorError as error:
            self.drop(report.site, f"invalid update: {error}")
            return f"invalid update: {error}"
        if not update:
            digest = ""
        elif digest is None:
            digest = self._digest(update)
        for task in report.reports:
            event = ResultArrived(
                report.site,
                self.round - staleness,
                task.task,
                task.samples,
                task.metrics,
                digest,
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
            self._commit(self.state.model)
            return RoundClosed(received, dropped, changed=False)
        aggregated, notes = self._aggregated(aggregate, updates)
        self.optimizer = self._mean_optimizer(updates)
        self.model = _held(aggregated)
        self._commit(self._digest(self.model))
        return RoundClosed(received, dropped, changed=True, notes=notes)

    def _aggregated(
        self, aggregate: Aggregation, updates: list[SiteUpdate]
    ) -> tuple[Tensors, tuple[str, ...]]:
        """Make the next model, tensor by tensor where the function can, and check it."""
        what = "the aggregate"
        if not isinstance(aggregate, Tensorwise):
            return check_like(aggregate(self.model, updates), self._form, what=what)
        checked = by_tensor(
            aggregate,
            self.model,
            updates,
            lambda name, made: check_tensor(made, self._form[name], f"{what}: tensor {name!r}"),
            threads=self._threads,
        )
        notes = tuple(note for _, note in checked.values() if note)
        return {name: array for name, (array, _) in checked.items()}, notes

    def _commit(self, model: str) -> None:
        self._feed(ModelCommitted(self.round, model))
        self._updates, self._optimizers = {}, {}

    def _feed(self, event: Event) -> tuple[Effect, ...]:
        self.state, effects = apply(self.state, event, self._rules)
        for effect in effects:
            if isinstance(effect, RoundComplete):
                self._complete = effect
        return effects

    def _mean_optimizer(self, updates: list[SiteUpdate]) -> Tensors:
        """Average the optimizers' arrays over the sites that sent the same ones."""
        senders = [update for update in updates if self._optimizers.get(update.site)]
        if not senders:
            return self.optimizer
        names = {name for name in self._optimizers[senders[0].site] if self._agree(name, senders)}
        weights = normalised([update.samples for update in senders])
        return _held(
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


def _held(tensors: Tensors) -> Tensors:
    """Return tensors whose arrays are read-only; those of a dict at once, others on access."""
    held = LazyTensors(tensors, tensors.__getitem__)
    return dict(held) if isinstance(tensors, dict) else held
