"""The rules of a round: (state, event) in, (state, effects) out. No clock, no files, no network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from fl_core.aggregator.events import (
    DeadlinePassed,
    Event,
    ModelCommitted,
    ModelScored,
    ResultArrived,
    RoundOpened,
    SiteDropped,
)
from fl_core.aggregator.state import AggregatorState, Best, Phase
from fl_core.errors import FederationError


class RoundError(FederationError):
    """An event that cannot happen now; it shows a fault of the shell, not of a site."""


@dataclass(frozen=True)
class Rules:
    """What the plan fixes.

    Attributes:
        direction: Whether a higher or a lower score is better.
        max_staleness: Results of rounds up to this many back still count; 0 takes only current ones.
        max_samples: The registered size of a site's data, by site. A site that claims more takes no
            further part in the round: samples are weights. A site that is not named may claim any.
    """

    direction: Literal["higher", "lower"] = "higher"
    max_staleness: int = 0
    max_samples: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    """A result that does not count, and why; the site is told, the round goes on."""

    site: str
    reason: str


@dataclass(frozen=True)
class RoundComplete:
    """Nobody owes anything: `received` delivered, `dropped` did not (with reasons)."""

    round: int
    received: tuple[str, ...]
    dropped: tuple[tuple[str, str], ...]


Effect = Refused | RoundComplete


def apply(state: AggregatorState, event: Event, rules: Rules) -> tuple[AggregatorState, tuple[Effect, ...]]:
    """Return the state after an event and what the shell has to do.

    Raises:
        RoundError: The event belongs to another round or phase.

    Example:
        >>> rules = Rules()
        >>> state, _ = apply(AggregatorState(), RoundOpened(0, {"a": ("train",)}), rules)
        >>> state, effects = apply(state, ResultArrived("a", 0, "train", 3, {}, "sha256:00"), rules)
        >>> effects
        (RoundComplete(round=0, received=('a',), dropped=()),)
    """
    match event:
        case RoundOpened():
            _expect(state, event.round, Phase.IDLE)
            opened = replace(
                state, phase=Phase.COLLECTING, assignments=dict(event.assignments), results={}, dropped={}
            )
            return _complete_if_done(opened)
        case ResultArrived():
            return _result(state, event, rules)
        case SiteDropped():
            if event.round != state.round or state.phase is not Phase.COLLECTING:
                return state, ()
            return _complete_if_done(replace(state, dropped={**state.dropped, event.site: event.reason}))
        case DeadlinePassed():
            if event.round != state.round or state.phase is not Phase.COLLECTING:
                return state, ()
            late = {site: "after the deadline" for site in state.pending()}
            return _complete_if_done(replace(state, dropped={**state.dropped, **late}))
        case ModelScored():
            if event.round != state.round:
                raise RoundError(f"a score of round {event.round} came in round {state.round}")
            return replace(state, best=better(state.best, state, event.score, rules)), ()
        case ModelCommitted():
            _expect(state, event.round, Phase.AGGREGATING)
            return (
                replace(
                    state,
                    round=state.round + 1,
                    phase=Phase.IDLE,
                    model=event.digest,
                    assignments={},
                    results={},
                    dropped={},
                ),
                (),
            )


def better(best: Best, state: AggregatorState, score: float, rules: Rules) -> Best:
    """Return the best model after a score: strict improvement replaces it, NaN never does."""
    if not math.isfinite(score):
        return best
    if best.score is None:
        return Best(state.round, state.model, score)
    improved = score > best.score if rules.direction == "higher" else score < best.score
    return Best(state.round, state.model, score) if improved else best


def _result(
    state: AggregatorState, event: ResultArrived, rules: Rules
) -> tuple[AggregatorState, tuple[Effect, ...]]:
    reason = _refusal(state, event, rules)
    if reason:
        return state, (Refused(event.site, reason),)
    cap = rules.max_samples.get(event.site)
    if cap is not None and event.samples > cap:
        reason = f"claims {event.samples} samples; its registered cap is {cap}"
        dropped = replace(state, dropped={**state.dropped, event.site: reason})
        after, effects = _complete_if_done(dropped)
        return after, (Refused(event.site, reason), *effects)
    tasks = {**state.results.get(event.site, {}), event.task: event}
    return _complete_if_done(replace(state, results={**state.results, event.site: tasks}))


def _refusal(state: AggregatorState, event: ResultArrived, rules: Rules) -> str:
    """Return why a result does not count; empty where it does."""
    if state.phase is not Phase.COLLECTING:
        return f"round {state.round} takes no results now"
    if event.site not in state.assignments:
        return "the site has no tasks in this round"
    if event.site in state.dropped:
        return f"the site was dropped: {state.dropped[event.site]}"
    if event.round + event.staleness != state.round or not 0 <= event.staleness <= rules.max_staleness:
        return f"a result of round {event.round} in round {state.round}"
    if event.task not in state.assignments[event.site]:
        return f"task {event.task!r} was not assigned"
    if event.task in state.results.get(event.site, {}):
        return f"task {event.task!r} was delivered before"
    if event.samples < 0:
        return f"{event.samples} samples"
    return ""


def _complete_if_done(state: AggregatorState) -> tuple[AggregatorState, tuple[Effect, ...]]:
    if state.phase is not Phase.COLLECTING or state.pending():
        return state, ()
    dropped = tuple(sorted(state.dropped.items()))
    effect = RoundComplete(state.round, state.finished(), dropped)
    return replace(state, phase=Phase.AGGREGATING), (effect,)


def _expect(state: AggregatorState, round_: int, phase: Phase) -> None:
    if state.round != round_ or state.phase is not phase:
        raise RoundError(
            f"round {round_} cannot go on: the aggregator is {state.phase} in round {state.round}"
        )
