"""Everything a run remembers between two rounds: one value, from which a resume goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from fl_core.aggregator.state import AggregatorState, Best
from fl_core.executor.base import SiteReport, TaskReport
from fl_core.tensors import Tensors
from fl_core.tensors.digest import digest
from fl_core.tensors.tree import join_arrays, split_arrays
from tasks.task1_aggregation.context import RoundRecord
from tasks.task1_aggregation.convergence import ConvergenceState
from tasks.task1_aggregation.rows import RoundRow, SiteRow


@dataclass(frozen=True)
class RecordedCall:
    """One round's calls of the strategy, as a replay needs them.

    Attributes:
        rounds: How many rounds the strategy was told the run would have.
        updates: Name of the stored updates; empty where ``aggregate`` was not called, or where
            they were not kept.
        model: Digest of the model after the round.
    """

    rounds: int
    updates: str
    model: str


@dataclass(frozen=True)
class SegmentRow:
    """What a site did in one stretch of simulated time; for the timeline."""

    site: str
    round: int
    kind: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class DeferredUpdate:
    """A late update, on its way into a later round. Times are simulated seconds of the whole run."""

    report: SiteReport
    arrives_s: float


@dataclass(frozen=True)
class BeforeLast:
    """What scoring the last model may have changed: a round that is not scored must not know of it."""

    best: Best
    convergence: ConvergenceState


@dataclass(frozen=True)
class RunState:
    """A run between two rounds.

    Attributes:
        aggregator: The aggregator's own state.
        initial: The model that round 0 started with.
        model: The global model of the coming round.
        best: The best model so far.
        optimizer: Averaged optimizer arrays (CONTINUE_GLOBAL).
        strategy: The strategy's persistent state.
        site_states: What each site keeps between rounds.
        deferred: Updates that are still on their way.
        busy: Until when a site is still at work on an earlier round, simulated seconds.
        history: One record per past round.
        rounds: Rows of rounds.csv.
        sites: Rows of sites.csv.
        segments: The timeline.
        convergence: The convergence score's state.
        simulated_time_s: Simulated seconds since the start.
        calls: The strategy's calls, one entry per past round.
        call_bytes: Bytes of stored updates so far.
        replayable: Whether every call so far can be replayed.
        scored_last: Whether the last model was scored (the run's rounds are over).
        before_last: What that has changed; see `with_more_rounds`.
        best_before_last: The best model before that.
    """

    aggregator: AggregatorState
    initial: Tensors
    model: Tensors
    best: Tensors
    optimizer: Tensors = field(default_factory=dict)
    strategy: Mapping[str, Any] = field(default_factory=dict)
    site_states: Mapping[str, Tensors] = field(default_factory=dict)
    deferred: tuple[DeferredUpdate, ...] = ()
    busy: Mapping[str, float] = field(default_factory=dict)
    history: tuple[RoundRecord, ...] = ()
    rounds: tuple[RoundRow, ...] = ()
    sites: tuple[SiteRow, ...] = ()
    segments: tuple[SegmentRow, ...] = ()
    convergence: ConvergenceState = field(default_factory=ConvergenceState)
    simulated_time_s: float = 0.0
    calls: tuple[RecordedCall, ...] = ()
    call_bytes: int = 0
    replayable: bool = True
    scored_last: bool = False
    before_last: BeforeLast | None = None
    best_before_last: Tensors = field(default_factory=dict)


_PLAIN: dict[str, Any] = {
    "busy": dict[str, float],
    "history": tuple[RoundRecord, ...],
    "rounds": tuple[RoundRow, ...],
    "sites": tuple[SiteRow, ...],
    "segments": tuple[SegmentRow, ...],
    "convergence": ConvergenceState,
    "simulated_time_s": float,
    "calls": tuple[RecordedCall, ...],
    "call_bytes": int,
    "replayable": bool,
    "scored_last": bool,
    "before_last": BeforeLast | None,
}


def take_apart(state: RunState) -> tuple[dict[str, Any], dict[str, Tensors]]:
    """Return plain values (JSON, NaN included) and named groups of arrays."""
    loose = {
        "optimizer": dict(state.optimizer),
        "strategy": dict(state.strategy),
        "site_states": {site: dict(tensors) for site, tensors in state.site_states.items()},
        "deferred": [_deferred_to_plain(update) for update in state.deferred],
    }
    plain_loose, arrays = split_arrays(loose, "the run's state")
    plain = {name: msgspec.to_builtins(getattr(state, name)) for name in _PLAIN}
    plain |= {"aggregator": state.aggregator.to_plain(), "loose": plain_loose}
    return plain, {
        "initial": state.initial,
        "model": state.model,
        "best": state.best,
        "best_before_last": state.best_before_last,
        "loose": arrays,
    }


def put_together(plain: Mapping[str, Any], groups: Mapping[str, Tensors]) -> RunState:
    """Undo `take_apart`."""
    loose = join_arrays(plain["loose"], groups["loose"])
    return RunState(
        aggregator=AggregatorState.from_plain(plain["aggregator"]),
        initial=groups["initial"],
        model=groups["model"],
        best=groups["best"],
        best_before_last=groups["best_before_last"],
        optimizer=loose["optimizer"],
        strategy=loose["strategy"],
        site_states=loose["site_states"],
        deferred=tuple(_deferred_from_plain(update) for update in loose["deferred"]),
        **{name: msgspec.convert(plain[name], kind) for name, kind in _PLAIN.items()},
    )


def _deferred_to_plain(update: DeferredUpdate) -> dict[str, Any]:
    report = update.report
    return {
        "arrives_s": update.arrives_s,
        "site": report.site,
        "round": report.round,
        "reports": msgspec.to_builtins(report.reports),
        "tensors": dict(report.tensors),
    }


def _deferred_from_plain(plain: Mapping[str, Any]) -> DeferredUpdate:
    reports = msgspec.convert(plain["reports"], tuple[TaskReport, ...])
    report = SiteReport(plain["site"], plain["round"], reports, plain["tensors"], {}, 0.0)
    return DeferredUpdate(report, plain["arrives_s"])


def first_state(initial: Tensors) -> RunState:
    """Return the state of a run that has not begun."""
    fresh = digest(initial)
    return RunState(
        AggregatorState(model=fresh, best=Best(0, fresh)), initial=initial, model=initial, best=initial
    )


def with_more_rounds(state: RunState) -> RunState:
    """Return the state before the last model was scored, from which added rounds go on.

    The row that scored the last model gives way to that round's own, which may be one that is not scored.
    """
    if state.before_last is None:
        return state
    return replace(
        state,
        aggregator=replace(state.aggregator, best=state.before_last.best),
        best=state.best_before_last,
        convergence=state.before_last.convergence,
        rounds=state.rounds[:-1],
        scored_last=False,
        before_last=None,
        best_before_last={},
    )
