"""Rounds under outages and deadlines: worked cases."""

from __future__ import annotations

import math

import pytest

from tasks.task1_aggregation.clock.base import SiteTimes
from tasks.task1_aggregation.errors import SettingsError
from tasks.task1_aggregation.outages.effects import Rules, SitePlay, SiteStatus, play_round
from tasks.task1_aggregation.outages.journey import Segment, SegmentKind
from tasks.task1_aggregation.outages.process import Outages, SiteOutages, Window

TRAINER = SiteTimes(10, 5, 20, 5, 10)
VALIDATOR = SiteTimes(10, 5)
FAR = 100_000.0


def offline(*windows: tuple[float, float], site: str = "1") -> Outages:
    return Outages(0, {site: SiteOutages(windows=tuple(Window(*w) for w in windows))})


def one(outages: Outages, rules: Rules = Rules(), times: SiteTimes = TRAINER, **kwargs: float) -> SitePlay:  # noqa: B008
    return play_round(
        kwargs.get("start_s", 0.0),
        {"1": times},
        {"1"} if times.upload_s else set(),
        outages,
        rules,
        kwargs.get("horizon_s", FAR),
    ).sites["1"]


def test_a_site_without_outages_does_its_steps_one_after_the_other() -> None:
    play = one(Outages(), start_s=100.0)
    assert play.segments == (
        Segment(SegmentKind.DOWNLOAD, 100, 110, 1.0),
        Segment(SegmentKind.VALIDATE, 110, 115),
        Segment(SegmentKind.TRAIN, 115, 135),
        Segment(SegmentKind.VALIDATE_LOCAL, 135, 140),
        Segment(SegmentKind.UPLOAD, 140, 150, 1.0),
    )
    assert (play.status, play.time_s, play.arrived_s) == (SiteStatus.OK, 50, 150)
    assert (play.received_model, play.trained) == (True, True)
    assert (play.bytes_down_factor, play.bytes_up_factor) == (1, 1)


def test_a_site_that_is_down_at_the_start_waits() -> None:
    play = one(offline((0, 30)))
    assert play.segments[0] == Segment(SegmentKind.WAIT, 0, 30)
    assert (play.status, play.time_s) == ("ok", 80)


def test_or_it_misses_the_round() -> None:
    play = one(offline((0, 30)), Rules(start="miss"))
    assert (play.status, play.time_s, play.received_model, play.segments) == ("missed", 0, False, ())
    assert one(offline((5, 30)), Rules(start="miss")).status == "ok"
    assert one(offline((0, 30)), Rules(start="miss"), start_s=30.0).status == "ok"


def test_a_transfer_that_was_cut_begins_anew_and_is_charged() -> None:
    play = one(offline((4, 9)))
    assert play.segments[:3] == (
        Segment(SegmentKind.DOWNLOAD, 0, 4, 0.4),
        Segment(SegmentKind.WAIT, 4, 9),
        Segment(SegmentKind.DOWNLOAD, 9, 19, 1.0),
    )
    assert (play.time_s, play.bytes_down_factor) == (59, 1.4)


def test_or_goes_on_where_it_was() -> None:
    play = one(offline((4, 9), (42, 43), (46, 50)), Rules(resumable=True))
    assert play.segments[2] == Segment(SegmentKind.DOWNLOAD, 9, 15, 0.6)
    assert (play.time_s, play.bytes_down_factor) == (59, 1.0)
    assert play.bytes_up_factor == pytest.approx(1.0)


def test_training_goes_on_offline_and_the_update_is_sent_afterwards() -> None:
    assert one(offline((11, 39))).time_s == 50
    late_link = one(offline((11, 45)))
    assert (late_link.time_s, late_link.trained) == (55, True)
    assert late_link.segments[-2:] == (
        Segment(SegmentKind.WAIT, 40, 45),
        Segment(SegmentKind.UPLOAD, 45, 55, 1.0),
    )


def test_a_report_of_metrics_takes_no_time_but_needs_the_link() -> None:
    assert one(offline((11, 14)), times=VALIDATOR).time_s == 15
    play = one(offline((12, 40)), times=VALIDATOR)
    assert (play.status, play.time_s, play.bytes_up_factor) == ("ok", 40, 0)


def test_after_the_deadline_an_update_is_dropped() -> None:
    play = one(offline((11, 45)), Rules(deadline_s=50))
    assert (play.status, play.time_s, play.arrived_s, play.trained) == ("late", 50, None, True)
    assert play.segments[-1] == Segment(SegmentKind.UPLOAD, 45, 50, 0.5)
    assert play.bytes_up_factor == 0.5
    assert play.reason == "no answer by the deadline; what it had done was dropped (last: upload)"
    assert one(offline((11, 45)), Rules(deadline_s=55)).status == "ok"


def test_what_would_begin_at_the_deadline_does_not_begin() -> None:
    play = one(Outages(), Rules(deadline_s=10))
    assert (play.status, play.received_model) == ("late", True)
    assert play.segments == (Segment(SegmentKind.DOWNLOAD, 0, 10, 1.0),)


def test_or_deferred_to_a_later_round_and_its_site_is_busy_until_then() -> None:
    rules, outages = Rules(deadline_s=50, late="defer"), offline((11, 45))
    times = {"1": TRAINER, "2": VALIDATOR}
    first = play_round(0, times, {"1"}, outages, rules, FAR)
    late = first.sites["1"]
    assert (late.status, late.time_s, late.arrived_s, late.bytes_up_factor) == ("deferred", 55, 55, 1)
    assert (first.end_s, first.busy, first.deferred, first.arrived) == (50, {"1": 55}, {"1": 55}, ())
    second = play_round(first.end_s, times, {"1"}, outages, rules, FAR, first.busy)
    assert (second.sites["1"].status, second.sites["1"].time_s) == ("busy", 0)
    assert (second.end_s, second.busy) == (65, {})
    third = play_round(second.end_s, times, {"1"}, outages, rules, FAR, second.busy)
    assert third.arrived == ("1",)


def test_a_site_stays_busy_over_rounds() -> None:
    times = {"1": TRAINER, "2": VALIDATOR}
    play = play_round(50, times, {"1"}, Outages(), Rules(), FAR, {"1": 400})
    assert (play.busy, play.end_s) == ({"1": 400}, 65)


def test_only_an_update_is_deferred() -> None:
    rules = Rules(deadline_s=12, late="defer")
    assert one(Outages(), rules).status == "deferred"
    assert one(Outages(), rules, VALIDATOR).status == "late"
    without_model = one(offline((0, 5)), rules)
    assert (without_model.status, without_model.received_model, without_model.time_s) == ("late", False, 12)


def test_no_wait_goes_past_the_horizon() -> None:
    play = one(offline((4, 500)), horizon_s=60.0)
    assert (play.status, play.time_s, play.arrived_s, play.received_model) == ("horizon", 60, None, False)
    assert play.segments[-1] == Segment(SegmentKind.WAIT, 4, 60)
    assert one(offline((4, 60)), horizon_s=60.0).status == "ok"
    assert one(offline((35, 90)), horizon_s=30.0).time_s == 40


def test_work_under_way_at_the_horizon_is_finished() -> None:
    play = play_round(90, {"1": TRAINER}, {"1"}, Outages(), Rules(), 100)
    assert (play.arrived, play.end_s) == (("1",), 140)


def test_a_lost_site_holds_the_round_to_the_deadline_or_the_horizon() -> None:
    times, gone = {"1": TRAINER, "2": TRAINER}, offline((4, math.inf))
    assert play_round(0, times, {"1", "2"}, gone, Rules(), 900).end_s == 900
    assert play_round(0, times, {"1", "2"}, gone, Rules(deadline_s=70), 900).end_s == 70
    assert play_round(0, times, {"1", "2"}, gone, Rules(deadline_s=70), 60).end_s == 60


def test_a_round_without_arrivals_ends_at_its_deadline_or_the_horizon() -> None:
    down, miss = offline((0, 30)), Rules(start="miss")
    assert play_round(5, {"1": TRAINER}, {"1"}, down, miss, 900).end_s == 900
    assert play_round(5, {"1": TRAINER}, {"1"}, down, Rules(start="miss", deadline_s=70), 900).end_s == 75
    assert play_round(0, {}, (), Outages(), Rules(), 900).end_s == 900


def test_a_site_that_missed_is_not_waited_for() -> None:
    times = {"1": TRAINER, "2": VALIDATOR}
    play = play_round(0, times, {"1"}, offline((0, 30)), Rules(start="miss", deadline_s=99), FAR)
    assert (play.round_time_s, play.arrived) == (15, ())


def test_every_status_has_its_reason() -> None:
    reasons = {status.reason for status in SiteStatus}
    assert len(reasons) == len(SiteStatus) and all(reasons)
    assert one(Outages()).reason == "its answer arrived in time"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"start": "now"}, "start"),
        ({"late": "keep"}, "late"),
        ({"deadline_s": 0.0}, "deadline_s"),
        ({"deadline_s": math.nan}, "deadline_s"),
        ({"late": "defer"}, "without deadline_s"),
        ({"min_updates": 0}, "min_updates"),
    ],
)
def test_impossible_rules_are_refused(rule: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Rules(**rule)  # type: ignore[arg-type]


def test_impossible_rounds_are_refused() -> None:
    with pytest.raises(SettingsError, match="finite"):
        play_round(0, {}, (), Outages(), Rules(), math.inf)
    with pytest.raises(SettingsError, match="without times: 2"):
        play_round(0, {"1": TRAINER}, {"2"}, Outages(), Rules(), FAR)
