from __future__ import annotations

import math

import pytest

from tasks.task1_aggregation.clock.base import SiteTimes
from tasks.task1_aggregation.outages.journey import Segment, SegmentKind, travel
from tasks.task1_aggregation.outages.process import Outages, SiteOutages, Window

TRAINER = SiteTimes(10, 5, 20, 5, 10)


def test_a_segment_is_cut_in_proportion() -> None:
    upload = Segment(SegmentKind.UPLOAD, 10, 20, 0.8)
    assert upload.until(15) == Segment(SegmentKind.UPLOAD, 10, 15, 0.4)
    assert upload.until(20) is upload


def test_milestones_are_in_the_rounds_time() -> None:
    outages = Outages(0, {"1": SiteOutages(windows=(Window(0, 130),))})
    journey = travel("1", TRAINER, True, outages, start_s=100, horizon_s=1000, resumable=False)
    assert (journey.received_s, journey.trained_s, journey.answered_s, journey.end_s) == (40, 65, 80, 80)
    assert [s.kind for s in journey.segments][:2] == ["wait", "download"]


def test_a_site_that_never_comes_back_gives_up_at_the_horizon() -> None:
    outages = Outages(0, {"1": SiteOutages(windows=(Window(150, math.inf),))})
    journey = travel("1", TRAINER, True, outages, start_s=100, horizon_s=1000, resumable=False)
    assert (journey.received_s, journey.trained_s, journey.answered_s, journey.end_s) == (10, 35, 50, 50)
    late = travel("1", TRAINER, True, outages, start_s=105, horizon_s=1000, resumable=False)
    assert (late.trained_s, late.answered_s, late.end_s) == (35, None, 895)


@pytest.mark.parametrize("start", [0.1, 1e6 + 0.3, 123456.789])
def test_rounding_never_makes_a_site_wait_in_vain(start: float) -> None:
    ends = [start + 0.1 * k for k in range(1, 40)]
    windows = tuple(Window(end - 0.05, end) for end in ends)
    outages = Outages(0, {"1": SiteOutages(windows=windows)})
    times = SiteTimes(0.3, 0.1, 0.1, 0.1, 0.01)
    journey = travel("1", times, True, outages, start_s=start, horizon_s=2e6, resumable=True)
    assert journey.received_s == pytest.approx(0.6, abs=0.06)
    assert journey.answered_s is not None
