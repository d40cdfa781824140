"""The rules of a round, fed with events."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

TASKS = ("validate", "train")


PLAIN = Rules()


def feed(
    state: AggregatorState, *events: Event, rules: Rules = PLAIN
) -> tuple[AggregatorState, list[Effect]]:
    effects: list[Effect] = []
    for event in events:
        state, new = apply(state, event, rules)
        effects += new
    return state, effects


def result(site: str, task: str, round: int = 0, staleness: int = 0) -> ResultArrived:
    return ResultArrived(site, round, task, 3, {"dice": 0.5}, "sha256:00", staleness)


def test_a_round_is_complete_when_everybody_delivered_everything() -> None:
    opened = RoundOpened(0, {"a": TASKS, "b": ("validate",)})

    state, effects = feed(
        AggregatorState(), opened, result("a", "validate"), result("b", "validate"), result("a", "train")
    )

    assert effects == [RoundComplete(0, ("a", "b"), ())]
    assert state.phase is Phase.AGGREGATING


def test_a_site_without_tasks_is_done_and_a_round_without_tasks_is_complete_at_once() -> None:
    _, effects = feed(AggregatorState(), RoundOpened(0, {"a": (), "b": ()}))

    assert effects == [RoundComplete(0, (), ())]


def test_the_deadline_drops_who_still_owes_something() -> None:
    opened = RoundOpened(0, {"a": TASKS, "b": TASKS, "c": ()})

    _, effects = feed(
        AggregatorState(),
        opened,
        result("a", "validate"),
        result("a", "train"),
        result("b", "validate"),
        DeadlinePassed(0),
    )

    assert effects == [RoundComplete(0, ("a",), (("b", "after the deadline"),))]


def test_a_dropped_site_returns_in_the_next_round() -> None:
    state, _ = feed(
        AggregatorState(),
        RoundOpened(0, {"a": TASKS}),
        SiteDropped("a", 0, "offline"),
        ModelCommitted(0, "d"),
    )

    state, effects = feed(
        state, RoundOpened(1, {"a": TASKS}), result("a", "validate", 1), result("a", "train", 1)
    )

    assert effects == [RoundComplete(1, ("a",), ())]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (result("z", "train"), "no tasks"),
        (result("a", "other"), "not assigned"),
        (result("a", "train", round=1), "round 1 in round 0"),
        (result("a", "train", round=-1, staleness=1), "round -1 in round 0"),
        (ResultArrived("a", 0, "train", -1, {}), "-1 samples"),
    ],
)
def test_what_does_not_count_is_refused_with_its_reason(event: ResultArrived, reason: str) -> None:
    state, effects = feed(AggregatorState(), RoundOpened(0, {"a": TASKS}), event)

    assert len(effects) == 1 and isinstance(effects[0], Refused)
    assert reason in effects[0].reason
    assert state.results == {}


def test_a_result_counts_once() -> None:
    _, effects = feed(
        AggregatorState(), RoundOpened(0, {"a": TASKS}), result("a", "train"), result("a", "train")
    )

    assert effects == [Refused("a", "task 'train' was delivered before")]


def test_a_stale_result_counts_where_the_rules_allow_it() -> None:
    start = AggregatorState(round=3)
    opened = RoundOpened(3, {"a": ("train",)})
    stale = result("a", "train", round=1, staleness=2)

    _, refused = feed(start, opened, stale, rules=Rules(max_staleness=1))
    _, taken = feed(start, opened, stale, rules=Rules(max_staleness=2))

    assert isinstance(refused[0], Refused)
    assert taken == [RoundComplete(3, ("a",), ())]


def test_a_claim_beyond_the_registered_cap_drops_the_site_and_no_other() -> None:
    rules = Rules(max_samples={"a": 3, "b": 2})
    opened = RoundOpened(0, {"a": TASKS, "b": TASKS})

    state, effects = feed(
        AggregatorState(),
        opened,
        result("a", "validate"),
        result("b", "validate"),
        result("b", "train"),
        result("a", "train"),
        rules=rules,
    )

    cap = "claims 3 samples; its registered cap is 2"
    assert effects == [
        Refused("b", cap),
        Refused("b", f"the site was dropped: {cap}"),
        RoundComplete(0, ("a",), (("b", cap),)),
    ]
    assert state.results.keys() == {"a"}


@pytest.mark.parametrize(
    ("direction", "scores", "best_round"),
    [
        ("higher", [0.5, 0.5, 0.7, 0.6], 2),
        ("lower", [0.5, 0.5, 0.7, 0.4], 3),
        ("higher", [math.nan, 0.1, math.nan], 1),
        ("higher", [0.3, math.inf, math.nan], 0),
        ("higher", [math.nan, math.nan], 0),
    ],
)
def test_only_a_strictly_better_score_makes_a_new_best(
    direction: str, scores: list[float], best_round: int
) -> None:
    rules = Rules(direction=direction)  # type: ignore[arg-type]
    state = AggregatorState(model="m0", best=Best(0, "m0"))
    for number, score in enumerate(scores):
        state, _ = feed(
            state,
            RoundOpened(number, {}),
            ModelScored(number, score),
            ModelCommitted(number, f"m{number + 1}"),
            rules=rules,
        )

    assert (state.best.round, state.best.digest) == (best_round, f"m{best_round}")


def test_events_out_of_order_are_faults_of_the_shell() -> None:
    with pytest.raises(RoundError):
        feed(AggregatorState(), RoundOpened(1, {}))
    with pytest.raises(RoundError):
        feed(AggregatorState(), ModelCommitted(0, "d"))
    with pytest.raises(RoundError):
        feed(AggregatorState(), ModelScored(2, 0.5))


SITES = ("a", "b", "c")
EVENTS = st.one_of(
    st.builds(
        ResultArrived,
        site=st.sampled_from((*SITES, "stranger")),
        round=st.integers(-1, 1),
        task=st.sampled_from((*TASKS, "other")),
        samples=st.integers(-1, 5),
        metrics=st.just({}),
        digest=st.just(""),
        staleness=st.integers(0, 1),
    ),
    st.builds(SiteDropped, site=st.sampled_from(SITES), round=st.integers(0, 1), reason=st.just("gone")),
    st.builds(DeadlinePassed, round=st.integers(0, 1)),
)


@given(
    st.fixed_dictionaries({site: st.sampled_from(((), ("train",), TASKS)) for site in SITES}),
    st.lists(EVENTS, max_size=20),
)
def test_a_round_completes_exactly_once_and_never_hangs(
    assignments: dict[str, tuple[str, ...]], events: list[Event]
) -> None:
    state, effects = feed(AggregatorState(), RoundOpened(0, assignments))
    for event in events:
        owed = state.pending()
        state, new = apply(state, event, Rules())
        assert set(state.pending()) <= set(owed)
        effects += new
    state, last = apply(state, DeadlinePassed(0), Rules())
    effects += last

    complete = [effect for effect in effects if isinstance(effect, RoundComplete)]
    assert len(complete) == 1
    assert state.phase is Phase.AGGREGATING
    assert not set(complete[0].received) & {site for site, _ in complete[0].dropped}
    for site in complete[0].received:
        assert set(assignments[site]) == set(state.results[site])


@given(st.lists(EVENTS, max_size=10))
def test_the_state_survives_json(events: list[Event]) -> None:
    state, _ = feed(
        AggregatorState(model="m", best=Best(0, "m", 0.25)), RoundOpened(0, dict.fromkeys(SITES, TASKS))
    )
    for event in events:
        state, _ = apply(state, event, Rules())

    assert AggregatorState.from_plain(json.loads(json.dumps(state.to_plain()))) == state
