from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.task1_aggregation.errors import SettingsError
from tasks.task1_aggregation.outages.process import Outages, SiteOutages, Window

NAMES = ("1", "2", "3")
UNTIL = 5000.0


def process(seed: int, up: float = 60.0, down: float = 20.0) -> Outages:
    return Outages(seed, {name: SiteOutages(up, down) for name in NAMES})


def trace(outages: Outages) -> dict[str, tuple[Window, ...]]:
    return {name: outages.down(name, UNTIL) for name in NAMES}


questions = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(("next_up", "next_down", "down", "windows")),
        st.floats(0, 9000),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99), questions)
def test_the_trace_is_the_same_whatever_was_asked_before(
    seed: int, asked: list[tuple[str, str, float]]
) -> None:
    outages = process(seed)
    for site, question, t in asked:
        answer = getattr(outages, question)(site, t)
        if question == "windows":
            next(answer)
    assert trace(outages) == trace(process(seed))


def test_a_site_does_not_depend_on_the_others() -> None:
    alone = Outages(8, {"2": SiteOutages(60, 20)})
    assert alone.down("2", UNTIL) == process(8).down("2", UNTIL)
    assert len({trace(process(seed))[name] for seed in (8, 9) for name in NAMES}) == 6


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99), st.sampled_from(NAMES), st.floats(0, UNTIL))
def test_next_up_and_next_down_agree_with_the_windows(seed: int, site: str, t: float) -> None:
    outages = process(seed)
    windows = outages.down(site, UNTIL * 3)
    assert all(a.end_s < b.start_s for a, b in pairwise(windows))
    inside = [w for w in windows if w.start_s <= t < w.end_s]
    assert outages.next_up(site, t) == (inside[0].end_s if inside else t)
    later = [w.start_s for w in windows if w.start_s > t]
    assert outages.next_down(site, t) == (t if inside else later[0])
    assert next(outages.windows(site, t)) == next(w for w in windows if w.end_s > t)


def test_means_are_those_asked_for() -> None:
    windows = Outages(1, {"1": SiteOutages(60, 20)}).down("1", 400_000)
    downs = [w.end_s - w.start_s for w in windows]
    ups = [b.start_s - a.end_s for a, b in pairwise(windows)]
    assert sum(downs) / len(downs) == pytest.approx(20, rel=0.06)
    assert sum(ups) / len(ups) == pytest.approx(60, rel=0.06)


def test_the_process_begins_in_its_stationary_state() -> None:
    rule = SiteOutages(60, 20)
    down = [Outages(seed, {"1": rule}).next_up("1", 0) > 0 for seed in range(2000)]
    assert sum(down) / len(down) == pytest.approx(0.25, abs=0.04)


def test_windows_are_united() -> None:
    windows = (Window(50, 60), Window(10, 20), Window(20, 30), Window(52, 55), Window(70, math.inf))
    outages = Outages(0, {"1": SiteOutages(windows=windows)})
    assert outages.down("1", math.inf) == (Window(10, 30), Window(50, 60), Window(70, math.inf))
    assert outages.next_up("1", 20) == 30
    assert outages.next_up("1", 80) == math.inf
    assert outages.next_down("1", 30) == 50
    assert outages.down("1", 50) == (Window(10, 30),)


def test_windows_and_process_are_united() -> None:
    rule = SiteOutages(60, 20, (Window(0, 500), Window(2000, math.inf)))
    both = Outages(3, {"1": rule}).down("1", UNTIL)
    alone = Outages(3, {"1": SiteOutages(60, 20)}).down("1", UNTIL)
    for t in range(0, 4000, 7):
        fixed = t < 500 or t >= 2000
        random = any(w.start_s <= t < w.end_s for w in alone)
        assert any(w.start_s <= t < w.end_s for w in both) == (fixed or random)


def test_outages_too_short_to_show_still_end() -> None:
    outages = Outages(0, {"1": SiteOutages(60, 1e-300)})
    assert len(outages.down("1", UNTIL)) == pytest.approx(UNTIL / 60, rel=0.4)
    assert outages.next_up("1", UNTIL) == pytest.approx(UNTIL)


@pytest.mark.parametrize("rule", [SiteOutages(), SiteOutages(60, 0), SiteOutages(math.inf, 20)])
def test_no_outages(rule: SiteOutages) -> None:
    for outages in (Outages(0, {"1": rule}), Outages()):
        assert outages.down("1", math.inf) == ()
        assert outages.next_up("1", 7) == 7
        assert outages.next_down("1", 7) == math.inf


def test_a_description_gives_the_same_outages_back() -> None:
    sites = {
        "1": SiteOutages(60, 20),
        "2": SiteOutages(windows=(Window(5, 9.25), Window(70, math.inf))),
        "3": SiteOutages(),
    }
    outages = Outages(5, sites)
    outages.down("1", UNTIL)
    again = Outages.from_dict(json.loads(json.dumps(outages.to_dict(), allow_nan=False)))
    assert again.sites == sites
    assert trace(again) == trace(outages)


@pytest.mark.parametrize(
    ("start", "end"), [(-1, 5), (5, 5), (6, 5), (math.nan, 5), (5, math.nan), (math.inf, 9)]
)
def test_impossible_windows_are_refused(start: float, end: float) -> None:
    with pytest.raises(SettingsError, match="outage from"):
        Window(start, end)


@pytest.mark.parametrize(
    ("up", "down"), [(0.5, 1), (0, 1), (math.nan, 1), (60, -1), (60, math.inf), (60, math.nan)]
)
def test_impossible_means_are_refused(up: float, down: float) -> None:
    with pytest.raises(SettingsError, match="a mean"):
        SiteOutages(up, down)
