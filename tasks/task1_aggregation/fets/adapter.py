"""Runs a FeTS submission's three functions as a strategy of this harness.

All that the functions see of the harness is a copy: the list of sites, both histories, the local
tensors and the recorded rows. They share their module's globals, so a run needs one process for all
of its calls, and a resume needs the calls again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fl_core.tensors import Array, Tensors
from tasks.task1_aggregation.context import RoundContext
from tasks.task1_aggregation.fets.answers import aggregated_tensor, hyper_parameters, selected_names
from tasks.task1_aggregation.fets.functions import FetsFunctions, ParticipantFunction, View, name_of, view_for
from tasks.task1_aggregation.fets.ledger import Ledger, Row
from tasks.task1_aggregation.fets.metric_rows import metric_rows
from tasks.task1_aggregation.strategy import RoundConfig, Strategy, Update

if TYPE_CHECKING:
    from tasks.task1_aggregation.fets.tensor_db import Views

_LOG = logging.getLogger(__name__)

_MODEL = ("model",)
_AGGREGATED = ("aggregated",)
_DELTA = ("aggregated", "delta")


class LocalTensor(NamedTuple):
    """One site's value of a tensor, as aggregation functions know it.

    Attributes:
        col_name: The site's name.
        tensor: The value after local training.
        weight: The site's share of the training cases among this round's updates; sums to 1.
    """

    col_name: str
    tensor: Array
    weight: float


class FetsStrategy(Strategy):
    """A strategy made of functions written for the FeTS challenge of 2021 or 2022.

    Args:
        functions: The functions; what is missing takes its default.
        db_store_rounds: How many rounds of tensors stay in ``tensor_db``; -1 keeps all. Metrics stay
            for ever.
    """

    resumes_from_state = False
    """Its memory is in its module's globals: a resume repeats the recorded calls."""

    def __init__(self, functions: FetsFunctions, db_store_rounds: int = 5) -> None:
        self._functions = functions
        self._keep = db_store_rounds
        self._ledger = Ledger()
        self._made_views: Views | None = None
        self._told: set[int] = set()
        self._cast_noted = False

    def select_sites(self, context: RoundContext) -> Iterable[str]:
        """Call ``choose_training_collaborators``, or select all sites."""
        self._catch_up(context)
        function = self._functions.choose_training_collaborators
        if function is None:
            return context.names
        return selected_names(function(*self._round_arguments(function, context)), name_of(function))

    def configure_round(self, context: RoundContext) -> RoundConfig:
        """Call ``training_hyper_parameters_for_round``, or leave the plan's values."""
        self._catch_up(context)
        function = self._functions.training_hyper_parameters_for_round
        if function is None:
            return RoundConfig()
        config = hyper_parameters(function(*self._round_arguments(function, context)), name_of(function))
        self._record_hyper_parameters(context.round, config)
        return config

    def aggregate(self, context: RoundContext, model: Tensors, updates: Sequence[Update]) -> Tensors:
        """Call ``aggregation_function`` once for each tensor, in the order of their names."""
        self._catch_up(context)
        self._record_model(context.round, model)
        self._record_metrics(context, context.round)
        trained = [{name: np.array(update.tensors[name]) for name in model} for update in updates]
        self._record_trained(context.round, updates, trained)
        function = self._functions.aggregation_function
        if function is None:
            result = super().aggregate(context, model, updates)
        else:
            result = self._aggregate_by(function, context, model, updates, trained)
        self._record_aggregate(context.round + 1, result)
        self._forget(context.round + 1)
        return result

    def _aggregate_by(
        self,
        function: ParticipantFunction,
        context: RoundContext,
        model: Tensors,
        updates: Sequence[Update],
        trained: Sequence[Tensors],
    ) -> Tensors:
        view = view_for(function, "frame")
        chosen, times = _chosen(context), _times(context)
        result: dict[str, Array] = {}
        for name in sorted(model):
            locals_ = [
                LocalTensor(update.site, tensors[name], update.weight)
                for update, tensors in zip(updates, trained, strict=True)
            ]
            answer = function(locals_, self._view(view), name, context.round, chosen, times)
            result[name] = aggregated_tensor(answer, model[name], name, name_of(function))
            self._note_cast(answer, result[name], name_of(function))
        return result

    def _round_arguments(self, function: ParticipantFunction, context: RoundContext) -> tuple[Any, ...]:
        view = self._view(view_for(function, "iterator"))
        return (list(context.names), view, context.round, _chosen(context), _times(context))

    def _view(self, view: View) -> Any:
        if self._made_views is None:
            from tasks.task1_aggregation.fets.tensor_db import Views  # pandas: only for those who look

            self._made_views = Views(self._ledger)
        return self._made_views.iterator() if view == "iterator" else self._made_views.frame()

    def _catch_up(self, context: RoundContext) -> None:
        """Record what past rounds left that no call has told of, as rounds without an aggregate."""
        for record in context.history:
            self._record_metrics(context, record.round)
        if context.history and not self._ledger.search(round_=context.round, tags=_MODEL):
            kept = self._ledger.search(round_=context.history[-1].round, tags=_MODEL)
            self._record_aggregate(context.round, {row.tensor_name: row.nparray for row in kept})

    def _record_metrics(self, context: RoundContext, round_: int) -> None:
        if round_ in self._told:
            return
        self._told.add(round_)
        if round_ == context.round:
            records = context.reports
        else:
            records = next(record.sites for record in context.history if record.round == round_)
        self._ledger.extend(metric_rows(round_, records, context.sites))

    def _record_hyper_parameters(self, round_: int, config: RoundConfig) -> None:
        values = {"learning_rate": config.learning_rate, "epochs_per_round": config.epochs}
        if config.batches is not None:
            values["batches_per_round"] = config.batches
        for name, value in values.items():
            self._ledger.put(Row(name, "aggregator", round_, False, ("hparam", "model"), np.array(value)))

    def _record_model(self, round_: int, model: Tensors) -> None:
        """Record the round's model; the harness may have kept another than was aggregated last."""
        for name in sorted(model):
            found = self._ledger.get((name, "aggregator", round_, False, _MODEL))
            if found is not None and found.nparray.tobytes() == model[name].tobytes():
                continue
            value = np.array(model[name])
            self._ledger.put(Row(name, "aggregator", round_, False, _MODEL, value))
            if round_ > 0:
                self._ledger.put(Row(name, "aggregator", round_, False, _AGGREGATED, value))

    def _record_trained(self, round_: int, updates: Sequence[Update], trained: Sequence[Tensors]) -> None:
        for update, tensors in zip(updates, trained, strict=True):
            tags = tuple(sorted(("trained", update.site)))
            for name in sorted(tensors):
                self._ledger.put(Row(name, "aggregator", round_, False, tags, tensors[name]))

    def _record_aggregate(self, round_: int, model: Tensors) -> None:
        """Record the model that `round_` starts with, as it came from the aggregation of the round before."""
        for name in sorted(model):
            value = np.array(model[name])
            before = self._ledger.get((name, "aggregator", round_ - 1, False, _MODEL))
            self._ledger.put(Row(name, "aggregator", round_, False, _AGGREGATED, value))
            if before is not None:
                delta = np.subtract(value, before.nparray)
                self._ledger.put(Row(name, "aggregator", round_, False, _DELTA, delta))
            self._ledger.put(Row(name, "aggregator", round_, False, _MODEL, value))

    def _forget(self, newest: int) -> None:
        if self._keep < 0:
            return
        through = newest - max(1, self._keep)
        if self._made_views is None:
            self._ledger.forget(through)
        else:
            self._made_views.forget(through)

    def _note_cast(self, answer: object, result: Array, function: str) -> None:
        if self._cast_noted or np.asarray(answer).dtype == result.dtype:
            return
        self._cast_noted = True
        _LOG.warning(
            "%s returns %s for a model of %s; its results are cast back",
            function,
            np.asarray(answer).dtype,
            result.dtype,
        )


def _chosen(context: RoundContext) -> dict[int, list[str]]:
    chosen = {record.round: list(record.selected) for record in context.history}
    if context.selected:
        chosen[context.round] = list(context.selected)
    return chosen


def _times(context: RoundContext) -> dict[int, dict[str, float]]:
    times = {
        record.round: {name: site.time_s for name, site in record.sites.items()} for record in context.history
    }
    if context.times:
        times[context.round] = dict(context.times)
    return times
