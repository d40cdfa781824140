"""Rounds under outages and deadlines: what holds in every run."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.task1_aggregation.clock.base import SiteWork
from tasks.task1_aggregation.clock.default import DefaultClock
from tasks.task1_aggregation.outages.effects import RoundPlay, Rules, play_round
from tasks.task1_aggregation.outages.presets import PRESETS
from tasks.task1_aggregation.outages.process import Outages, SiteOutages, Window

NAMES = ("1", "2", "3", "4")
CLOCK = DefaultClock(0, NAMES)
HORIZON = 12_000.0


def run(seed: int, choices: list[frozenset[str]], outages: Outages, rules: Rules) -> list[RoundPlay]:
    plays: list[RoundPlay] = []
    start, busy = 0.0, {}
    for index, chosen in enumerate(choices):
        work = {name: SiteWork(6, 2, name in chosen) for name in NAMES}
        play = play_round(start, CLOCK.draw(index, work), chosen, outages, rules, HORIZON, busy)
        plays.append(play)
        start, busy = play.end_s, play.busy
        if start >= HORIZON:
            break
    return plays


def process(seed: int, up: float, down: float) -> Outages:
    return Outages(seed, {name: SiteOutages(up, down) for name in NAMES})


choices_of = st.lists(st.frozensets(st.sampled_from(NAMES), min_size=1), min_size=1, max_size=8)
run_rules = st.builds(
    lambda start, resumable, deadline, late: Rules(
        start, resumable, deadline, late if deadline is not None else "drop"
    ),
    st.sampled_from(["wait", "miss"]),
    st.booleans(),
    st.none() | st.floats(100, 1500),
    st.sampled_from(["drop", "defer"]),
)
weather = st.tuples(st.integers(0, 999), st.floats(50, 3000), st.floats(0, 900))


@settings(max_examples=60, deadline=None)
@given(choices_of, weather, run_rules)
def test_no_update_counts_that_could_not_have_arrived(
    choices: list[frozenset[str]], drawn: tuple[int, float, float], rules: Rules
) -> None:
    outages = process(*drawn)
    counted: dict[int, list[str]] = {}
    plays = run(drawn[0], choices, outages, rules)
    for index, play in enumerate(plays):
        counted.setdefault(index, []).extend(play.arrived)
        for name in play.arrived:
            site = play.sites[name]
            assert site.trained and site.arrived_s is not None
            assert site.arrived_s <= play.end_s
            assert rules.deadline_s is None or site.time_s <= rules.deadline_s
        for name, arrives in play.deferred.items():
            assert arrives >= play.end_s
            taken = next((i for i, p in enumerate(plays) if i > index and p.end_s >= arrives), None)
            if taken is not None:
                counted.setdefault(taken, []).append(name)
        for name, site in play.sites.items():
            links = [s for s in site.segments if s.kind in ("download", "upload")]
            for window in outages.down(name, play.end_s + 20_000):
                for s in links:
                    assert min(s.end_s, window.end_s) - max(s.start_s, window.start_s) < 1e-6
            uploads = [s.share for s in site.segments if s.kind == "upload"]
            if name in play.arrived or name in play.deferred:
                whole = math.fsum(uploads) if rules.resumable else uploads[-1]
                assert whole == pytest.approx(1.0)
    for names in counted.values():
        assert len(names) == len(set(names))


@settings(max_examples=60, deadline=None)
@given(choices_of, weather, run_rules)
def test_times_are_never_negative_or_decreasing(
    choices: list[frozenset[str]], drawn: tuple[int, float, float], rules: Rules
) -> None:
    clock = 0.0
    for play in run(drawn[0], choices, process(*drawn), rules):
        assert play.start_s == clock and play.round_time_s >= 0
        clock = play.end_s
        for site in play.sites.values():
            assert site.time_s >= 0 and site.bytes_down_factor >= 0 and site.bytes_up_factor >= 0
            t = site.start_s
            for segment in site.segments:
                assert t == segment.start_s <= segment.end_s
                t = segment.end_s
            assert t == pytest.approx(site.start_s + site.time_s, abs=1e-6)
            if site.status == "ok":
                assert site.time_s <= play.round_time_s


@settings(max_examples=60, deadline=None)
@given(choices_of, weather, run_rules)
def test_nothing_waits_past_the_horizon(
    choices: list[frozenset[str]], drawn: tuple[int, float, float], rules: Rules
) -> None:
    for play in run(drawn[0], choices, process(*drawn), rules):
        for site in play.sites.values():
            waits = [s.end_s for s in site.segments if s.kind == "wait"]
            assert max(waits, default=0.0) <= HORIZON + 1e-6
        at_work = [s.start_s + s.time_s for s in play.sites.values() if s.status in ("ok", "late")]
        at_work += [play.start_s + rules.deadline_s] if rules.deadline_s and play.deferred else []
        assert play.end_s <= max([HORIZON, *at_work]) + 1e-6


@settings(max_examples=60, deadline=None)
@given(choices_of, choices_of, weather, run_rules)
def test_the_trace_is_the_same_for_any_selection(
    some: list[frozenset[str]], others: list[frozenset[str]], drawn: tuple[int, float, float], rules: Rules
) -> None:
    first, second = process(*drawn), process(*drawn)
    one_run, other_run = run(drawn[0], some, first, rules), run(drawn[0], others, second, rules)
    assert [first.down(n, 30_000) for n in NAMES] == [second.down(n, 30_000) for n in NAMES]
    for name in NAMES:
        if (name in some[0]) == (name in others[0]):
            assert one_run[0].sites[name] == other_run[0].sites[name]


@settings(max_examples=40, deadline=None)
@given(choices_of, st.integers(0, 99), run_rules)
def test_no_outages_equals_outages_switched_off(
    choices: list[frozenset[str]], seed: int, rules: Rules
) -> None:
    off = run(seed, choices, Outages(), rules)
    assert off == run(seed, choices, PRESETS["none"].outages(seed, NAMES), rules)
    assert off == run(seed, choices, process(seed, 60, 0), rules)
    missed = Outages(seed, {n: SiteOutages(windows=(Window(5 * HORIZON, 6 * HORIZON),)) for n in NAMES})
    assert off == run(seed, choices, missed, rules)


@settings(max_examples=30, deadline=None)
@given(choices_of)
def test_without_outages_times_are_exactly_the_clocks(choices: list[frozenset[str]]) -> None:
    total = 0.0
    for index, play in enumerate(run(0, choices, Outages(), Rules())):
        work = {name: SiteWork(6, 2, name in choices[index]) for name in NAMES}
        times = CLOCK.draw(index, work)
        assert play.round_time_s == max(t.total_s for t in times.values())
        assert {n: s.time_s for n, s in play.sites.items()} == {n: t.total_s for n, t in times.items()}
        assert set(play.arrived) == choices[index]
        assert all(site.bytes_down_factor == 1 for site in play.sites.values())
        total += play.round_time_s
        assert play.end_s == total
