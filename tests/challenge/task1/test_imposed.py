"""What the simulation's outages do to calls: pure decisions on a clock of one's own."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenge.task1.imposed import AHEAD_S, WAITED_S, ImposedTrace
from fl_core.transport.imposed_outages import Cut, Delay, Pass, Refuse
from fl_core.transport.methods import DELIVER, DOWNLOAD, FOLLOW, JOIN, METHODS, UPLOAD
from tasks.task1_aggregation.outages.process import Outages, SiteOutages, Window

SCALE = 100.0


@dataclass
class Wall:
    seconds: float = 50.0
    began: float = field(init=False, default=50.0)

    def __call__(self) -> float:
        return self.seconds

    def simulated(self, seconds: float) -> None:
        self.seconds = self.began + seconds / SCALE


def trace(wall: Wall, *windows: Window, horizon_s: float = 10_000.0) -> ImposedTrace:
    made = ImposedTrace(Outages(0, {"a": SiteOutages(windows=windows)}), SCALE, horizon_s, wall)
    made("b", JOIN.name)  # time begins
    return made


def test_a_site_is_refused_while_it_is_offline_and_others_are_not() -> None:
    wall = Wall()
    decide = trace(wall, Window(1000, 2000))
    wall.simulated(1500)

    assert decide("a", JOIN.name) == Refuse("an imposed outage: a is offline for 5 s more")
    assert decide("b", JOIN.name) == Pass()
    wall.simulated(2000)
    assert decide("a", JOIN.name) == Pass()


@pytest.mark.parametrize("method", [DOWNLOAD.name, UPLOAD.name])
def test_a_transfer_just_before_an_outage_is_cut_by_it(method: str) -> None:
    wall = Wall()
    decide = trace(wall, Window(1000, 2000))
    wall.simulated(975)

    assert decide("a", method) == Cut(2**18)
    assert decide("a", FOLLOW.name) == decide("a", DELIVER.name) == Pass()
    wall.simulated(1000 - SCALE * AHEAD_S)
    assert decide("a", method) == Pass()


def test_the_last_instant_of_an_outage_is_waited_through() -> None:
    wall = Wall()
    decide = trace(wall, Window(0, 2000))
    wall.simulated(1990)

    found = decide("a", DELIVER.name)
    assert isinstance(found, Delay) and found.seconds == pytest.approx(0.1)


def test_nothing_is_imposed_after_the_horizon_though_a_site_never_comes_back() -> None:
    wall = Wall()
    decide = trace(wall, Window(1000, math.inf), horizon_s=3000.0)
    wall.simulated(2000)
    assert decide("a", JOIN.name) == Refuse("an imposed outage: a is offline for 10 s more")
    wall.simulated(3000)
    assert decide("a", JOIN.name) == Pass()


@given(
    windows=st.lists(st.tuples(st.floats(0, 900), st.floats(1, 100)), max_size=6),
    at=st.floats(0, 1200),
    method=st.sampled_from(METHODS),
)
def test_a_call_passes_untouched_exactly_where_no_outage_is_or_begins(
    windows: list[tuple[float, float]], at: float, method: object
) -> None:
    wall = Wall()
    decide = trace(wall, *(Window(start, start + length) for start, length in windows), horizon_s=1000.0)
    wall.simulated(at)
    now = (wall.seconds - wall.began) * SCALE
    offline = any(start <= now < start + length for start, length in windows) and now < 1000
    name = method.name  # type: ignore[attr-defined]
    begins = any(now < start < now + SCALE * AHEAD_S for start, _ in windows)

    found = decide("a", name)

    match found:
        case Refuse():
            assert offline
        case Delay(seconds):
            assert offline and seconds <= WAITED_S
        case Cut(count):
            assert not offline and begins and name in (DOWNLOAD.name, UPLOAD.name) and count >= 0
        case Pass():
            assert not offline
