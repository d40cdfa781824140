"""The experiment: a strategy leads the engine through rounds of simulated time.

One round, in order: select, configure, draw the times, let the outages act, run the sites, score
the model, aggregate what arrived, write down what happened.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from fl_core.aggregation.base import SiteUpdate
from fl_core.aggregator.received import apply_delta, split_optimizer
from fl_core.aggregator.rounds import Rules as AggregatorRules
from fl_core.aggregator.service import Aggregator, RoundClosed
from fl_core.errors import TensorError
from fl_core.executor.base import Executor, SiteJob, SiteReport
from fl_core.tensors import Tensors
from tasks.task1_aggregation.answers import check_configs, check_selection
from tasks.task1_aggregation.arrivals import Arrivals, arrivals_of, as_updates, own_arrays
from tasks.task1_aggregation.bookkeeping import (
    final_row,
    round_record,
    round_row,
    segment_rows,
    site_rows,
    traffic,
)
from tasks.task1_aggregation.calls import Calls
from tasks.task1_aggregation.clock.base import Clock, SiteWork
from tasks.task1_aggregation.context import RoundRecord, SiteInfo
from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.host import StrategyHost
from tasks.task1_aggregation.outages.effects import RoundPlay, Rules, SiteStatus, play_round
from tasks.task1_aggregation.outages.process import Outages
from tasks.task1_aggregation.recording import UpdateKeeper
from tasks.task1_aggregation.round_work import (
    TRAIN,
    VALIDATE,
    VALIDATE_LOCAL,
    round_work,
    training_job,
    validation_job,
)
from tasks.task1_aggregation.run_state import BeforeLast, DeferredUpdate, RecordedCall, RunState
from tasks.task1_aggregation.score import SiteScore, pooled
from tasks.task1_aggregation.settings import ExperimentSettings
from tasks.task1_aggregation.strategy import RoundConfig


@dataclass(frozen=True)
class World:
    """The simulated federation around the sites."""

    clock: Clock
    outages: Outages
    rules: Rules = field(default_factory=Rules)


class Observer(Protocol):
    """Is told what happens; nothing depends on it."""

    def started(self, round: int, selected: Sequence[str], jobs: int) -> None:
        """A round's sites are chosen and its jobs begin."""
        ...

    def site_done(self, round: int, site: str) -> None:
        """A site's job ended."""
        ...

    def note(self, round: int, text: str) -> None:
        """Something to be remarked."""
        ...


def at_horizon(time_s: float, horizon_s: float) -> bool:
    """Tell whether the simulated time is over.

    A round that ends at the horizon ends at ``start + (horizon - start)``, which rounds to as much as a
    few units in the last place before it.

    Example:
        >>> at_horizon(0.7999999999999999, 0.8), at_horizon(0.79, 0.8)
        (True, False)
    """
    return time_s >= horizon_s * (1 - 4 * sys.float_info.epsilon)


class Experiment:
    """Runs rounds, one call of `play` each, from one `RunState` to the next.

    Args:
        settings: What is fixed for the run.
        sites: The institutions, in name order.
        batches_per_epoch: Batches of one pass over that many training cases.
        world: Clock, outages and the organizer's rules.
        host: The strategy.
        executor: Does the sites' work.
        keeper: Keeps updates for a replay of the strategy's calls; none where none is needed.
        observer: Is told what happens.
    """

    def __init__(
        self,
        settings: ExperimentSettings,
        sites: Sequence[SiteInfo],
        batches_per_epoch: Callable[[int], int],
        world: World,
        host: StrategyHost,
        executor: Executor,
        keeper: UpdateKeeper | None,
        observer: Observer,
    ) -> None:
        self._settings = settings
        self._sites = tuple(sites)
        self._batches_per_epoch = batches_per_epoch
        self._world = world
        self._host = host
        self._executor = executor
        self._keeper = keeper
        self._observer = observer
        self._calls = Calls(settings.seed, settings.horizon_s, self._sites)

    def play(self, state: RunState) -> RunState:
        """Return the state after the next round, or, at the end, after the last model's score.

        Raises:
            StrategyError: The strategy broke a rule.
            WorkerError: A worker died twice on the same job.
        """
        aggregator = self._aggregator(state)
        ended = aggregator.round >= self._settings.rounds
        if ended or at_horizon(state.simulated_time_s, self._settings.horizon_s):
            return self._score_last(state, aggregator)
        return self._play_round(state, aggregator)

    def _aggregator(self, state: RunState) -> Aggregator:
        staleness = self._settings.rounds if self._world.rules.late == "defer" else 0
        return Aggregator(
            state.model,
            rules=AggregatorRules(self._settings.direction, staleness),
            min_updates=self._world.rules.min_updates,
            delta_updates=self._settings.delta_updates,
            state=state.aggregator,
            best=state.best,
            optimizer=state.optimizer,
        )

    def _play_round(self, state: RunState, aggregator: Aggregator) -> RunState:
        number = aggregator.round
        configs = self._ask(state, aggregator.model)
        work = round_work(self._sites, configs, self._settings, self._batches_per_epoch)
        play = play_round(
            state.simulated_time_s,
            self._world.clock.draw(number, work),
            configs,
            self._world.outages,
            self._world.rules,
            self._settings.horizon_s,
            state.busy,
        )
        reports = self._run(aggregator, tuple(configs), self._jobs(state, aggregator, play, configs, work))
        score = self._scored(aggregator, reports) if number % self._settings.score_every == 0 else None
        arrivals = arrivals_of(state, play, reports)
        refused = self._deliver(aggregator, play, arrivals)
        record = round_record(number, tuple(configs), play, reports, refused)
        sizes = traffic(state.model, state.optimizer, configs, reports, play.sites)
        closed, state = self._aggregate(state, aggregator, record)
        convergence = state.convergence.advance(
            score.value(self._settings.score_kind) if score else None, play.round_time_s
        )
        staleness = {report.site: age for report, age in arrivals}
        rows = site_rows(record, play, work, staleness, sizes)
        row = round_row(record, closed, score, aggregator.state.best, convergence, self._settings, rows)
        # What a training leaves at its site, be it nothing, replaces what the one before left.
        trained = {n: r.local_state for n, r in reports.items() if play.sites[n].trained}
        return replace(
            state,
            aggregator=aggregator.state,
            model=aggregator.model,
            best=aggregator.best_model,
            optimizer=aggregator.optimizer,
            strategy=dict(self._host.state),
            site_states={n: kept for n, kept in {**state.site_states, **trained}.items() if kept},
            deferred=self._deferred(state, play, reports),
            busy=dict(play.busy),
            history=(*state.history, record),
            rounds=(*state.rounds, row),
            sites=(*state.sites, *rows),
            segments=(*state.segments, *segment_rows(number, play)),
            convergence=convergence,
            simulated_time_s=play.end_s,
        )

    def _ask(self, state: RunState, model: Tensors) -> dict[str, RoundConfig]:
        """Return the configuration of each selected site, in name order."""
        number, rounds = state.aggregator.round, self._settings.rounds
        answer = self._host.select_sites(self._calls.context("select_sites", rounds, state.history))
        selection = check_selection(answer, [site.name for site in self._sites])
        for note in selection.notes:
            self._observer.note(number, note)
        context = self._calls.context("configure_round", rounds, state.history, selection.sites)
        return check_configs(self._host.configure_round(context), selection.sites, model)

    def _jobs(
        self,
        state: RunState,
        aggregator: Aggregator,
        play: RoundPlay,
        configs: Mapping[str, RoundConfig],
        work: Mapping[str, SiteWork],
    ) -> list[SiteJob]:
        scored = aggregator.round % self._settings.score_every == 0
        jobs = []
        for site in self._sites:
            at_site = play.sites[site.name]
            if at_site.trained:
                kept = state.site_states.get(site.name, {})
                jobs.append(
                    training_job(
                        site,
                        aggregator.round,
                        configs[site.name],
                        work[site.name],
                        self._settings,
                        kept,
                        aggregator.optimizer,
                    )
                )
            elif scored or at_site.status is SiteStatus.OK:
                jobs.append(validation_job(site, aggregator.round, self._settings))
        return jobs

    def _run(
        self, aggregator: Aggregator, selected: Sequence[str], jobs: Sequence[SiteJob]
    ) -> dict[str, SiteReport]:
        self._observer.started(aggregator.round, selected, len(jobs))
        reports = {}
        for report in self._executor.run(aggregator.model, jobs):
            reports[report.site] = report
            self._observer.site_done(aggregator.round, report.site)
        return {name: reports[name] for name in sorted(reports)}

    def _scored(self, aggregator: Aggregator, reports: Mapping[str, SiteReport]) -> SiteScore:
        """Score the model over all validation cases, whatever the outages."""
        validations = [t for report in reports.values() for t in report.reports if t.task == VALIDATE]
        score = pooled(validations)
        aggregator.score(score.value(self._settings.score_kind))
        return score

    def _deliver(self, aggregator: Aggregator, play: RoundPlay, arrivals: Arrivals) -> dict[str, str]:
        """Feed the round to the aggregator; return the reason by site whose update was refused."""
        tasks = {
            name: (VALIDATE, TRAIN, VALIDATE_LOCAL) if site.selected else (VALIDATE,)
            for name, site in play.sites.items()
        }
        arrived = {report.site: tuple(task.task for task in report.reports) for report, _ in arrivals}
        aggregator.open_round(tasks | arrived)
        for name, site in play.sites.items():
            if name not in arrived:
                aggregator.drop(name, site.reason)
        refused = {}
        for report, staleness in arrivals:
            reason = aggregator.deliver(report, staleness=staleness, whole=staleness > 0)
            if reason:
                refused[report.site] = reason
                self._observer.note(aggregator.round, f"site {report.site}: {reason}")
        return refused

    def _aggregate(
        self, state: RunState, aggregator: Aggregator, record: RoundRecord
    ) -> tuple[RoundClosed, RunState]:
        """Close the round; the state returned has the round's call of the strategy."""
        rounds = self._settings.rounds
        kept, used, full = "", state.call_bytes, False

        def aggregate(model: Tensors, updates: Sequence[SiteUpdate]) -> Tensors:
            nonlocal kept, used, full
            given = as_updates(updates)
            if self._keeper is not None and state.replayable:
                kept, used = self._keeper.keep(given, state.call_bytes)
                full = not kept
            context = self._calls.context("aggregate", rounds, state.history, record.selected, record)
            # Copies on both ways: a strategy in this process may keep what it got or returned, and
            # change it, while the engine still calls it the best model.
            answer = self._host.aggregate(context, dict(model), given)
            return own_arrays(answer)

        try:
            closed = aggregator.close_round(aggregate)
        except TensorError as error:
            raise StrategyError("aggregate", str(error)) from error
        for note in closed.notes:
            self._observer.note(record.round, f"aggregate: {note}")
        if full and self._keeper is not None:
            self._observer.note(record.round, self._keeper.full_note)
        call = RecordedCall(rounds, kept, aggregator.state.model)
        return closed, replace(
            state, calls=(*state.calls, call), call_bytes=used, replayable=state.replayable and not full
        )

    def _deferred(
        self, state: RunState, play: RoundPlay, reports: Mapping[str, SiteReport]
    ) -> tuple[DeferredUpdate, ...]:
        waiting = tuple(update for update in state.deferred if update.arrives_s > play.end_s)
        fresh = []
        for name, arrives_s in sorted(play.deferred.items()):
            report = reports[name]
            if self._settings.delta_updates:
                sent, optimizer = split_optimizer(report.tensors)
                report = replace(report, tensors={**apply_delta(state.model, sent), **optimizer})
            fresh.append(DeferredUpdate(replace(report, local_state={}), arrives_s))
        return (*waiting, *fresh)

    def _score_last(self, state: RunState, aggregator: Aggregator) -> RunState:
        jobs = [validation_job(site, aggregator.round, self._settings) for site in self._sites]
        score = self._scored(aggregator, self._run(aggregator, (), jobs))
        convergence = state.convergence
        if self._settings.credit_last:
            convergence = convergence.advance(score.value(self._settings.score_kind), 0.0)
        row = final_row(
            aggregator.round,
            state.simulated_time_s,
            score,
            aggregator.state.best,
            convergence,
            self._settings,
        )
        return replace(
            state,
            aggregator=aggregator.state,
            best=aggregator.best_model,
            rounds=(*state.rounds, row),
            convergence=convergence,
            scored_last=True,
            before_last=BeforeLast(state.aggregator.best, state.convergence),
            best_before_last=state.best,
        )
