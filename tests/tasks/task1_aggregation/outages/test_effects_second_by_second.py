"""Rounds under outages and deadlines, compared with living through them second by second."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.task1_aggregation.clock.base import SiteTimes
from tasks.task1_aggregation.outages.effects import Rules, SitePlay, SiteStatus, play_round
from tasks.task1_aggregation.outages.process import Outages, SiteOutages, Window


@dataclass
class Lived:
    """A site's round: when it ended and how, when it had the model, and what it did in which second."""

    end: int
    answered: bool
    received: float
    diary: list[tuple[int, str]]


def lived_through(
    times: SiteTimes, trains: bool, down: set[int], start: int, horizon: int, resumable: bool
) -> Lived:
    steps = [("download", times.download_s, True), ("validate", times.validate_s, False)]
    if trains:
        steps += [("train", times.train_s, False), ("validate_local", times.validate_local_s, False)]
        steps += [("upload", times.upload_s, True)]
    else:
        steps += [("report", 0, True)]
    life = Lived(start, False, math.inf, [])
    for kind, seconds, needs_link in steps:
        done = 0
        while not (seconds > 0 and done == seconds):
            if needs_link and life.end in down:
                if life.end >= horizon:
                    return life
                done = done if resumable else 0
                life.diary.append((life.end, "wait"))
            elif seconds == 0:
                break
            else:
                done += 1
                life.diary.append((life.end, kind))
            life.end += 1
        if kind == "download":
            life.received = life.end
    life.answered = True
    return life


seconds = st.integers(0, 9)
site_times = st.builds(SiteTimes, seconds, seconds, seconds, seconds, seconds)
spans = st.lists(st.tuples(st.integers(0, 70), st.integers(1, 12)), max_size=7)
rules_of = st.builds(
    lambda start, resumable, deadline, late: Rules(
        start, resumable, deadline, late if deadline is not None else "drop"
    ),
    st.sampled_from(["wait", "miss"]),
    st.booleans(),
    st.none() | st.integers(1, 50).map(float),
    st.sampled_from(["drop", "defer"]),
)


@settings(max_examples=250, deadline=None)
@given(
    st.lists(st.tuples(site_times, st.booleans(), spans), min_size=1, max_size=3),
    rules_of,
    st.integers(0, 30),
    st.integers(1, 90),
)
@example([(SiteTimes(4, 0, 0, 0, 0), True, [(2, 1), (3, 1)])], Rules(resumable=True), 0, 90)
def test_rounds_go_as_when_lived_through_second_by_second(
    drawn: list[tuple[SiteTimes, bool, list[tuple[int, int]]]], rules: Rules, start: int, horizon: int
) -> None:
    named = {str(index): entry for index, entry in enumerate(drawn)}
    times = {n: t if trains else SiteTimes(t.download_s, t.validate_s) for n, (t, trains, _) in named.items()}
    rule = {n: SiteOutages(windows=tuple(Window(s, s + k) for s, k in w)) for n, (_, _, w) in named.items()}
    selected = {n for n, (_, trains, _) in named.items() if trains}
    play = play_round(float(start), times, selected, Outages(0, rule), rules, float(horizon))
    close = math.inf if rules.deadline_s is None else start + rules.deadline_s
    given_up = max(start, min(close, horizon))
    ends: list[float] = []
    for name, (_, trains, windows) in named.items():
        site = play.sites[name]
        down = {t for s, k in windows for t in range(s, s + k)}
        if rules.start == "miss" and start in down:
            assert site == SitePlay(SiteStatus.MISSED, trains, start)
            continue
        life = lived_through(times[name], trains, down, start, horizon, rules.resumable)
        if life.end <= close:
            status, stop, held = (
                ("ok", life.end, life.end) if life.answered else ("horizon", life.end, given_up)
            )
        elif rules.late == "defer" and trains and life.received <= close:
            status, stop, held = (
                ("deferred", life.end, close) if life.answered else ("horizon", life.end, given_up)
            )
        else:
            status, stop, held = "late", close, close
        ends.append(held)
        assert (site.status, start + site.time_s) == (status, pytest.approx(stop, abs=1e-9))
        assert site.received_model == (life.received <= stop)
        assert (site.arrived_s is None) == (status not in ("ok", "deferred"))
        for kind, whole, factor in (
            ("download", times[name].download_s, site.bytes_down_factor),
            ("upload", times[name].upload_s, site.bytes_up_factor),
        ):
            crossed = sum(1 for t, did in life.diary if did == kind and t < stop)
            assert not whole or factor == pytest.approx(crossed / whole, abs=1e-9)
        for t, kind in life.diary:
            doing = [s.kind for s in site.segments if s.start_s - 1e-9 <= t and t + 1 <= s.end_s + 1e-9]
            assert doing == ([kind] if t < stop else [])
    if not any(site.status == "ok" for site in play.sites.values()):
        ends.append(given_up)
    assert play.end_s == pytest.approx(max(ends), abs=1e-9)
