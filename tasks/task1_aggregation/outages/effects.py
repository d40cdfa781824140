"""What outages and a deadline do to a round: who arrives, when, and why the others do not."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, ClassVar, Literal

from tasks.task1_aggregation.clock.base import SiteTimes
from tasks.task1_aggregation.errors import SettingsError
from tasks.task1_aggregation.outages.journey import Journey, Segment, SegmentKind, travel
from tasks.task1_aggregation.outages.process import Outages


class SiteStatus(StrEnum):
    """How a site's round ended."""

    OK = "ok"
    MISSED = "missed"
    BUSY = "busy"
    LATE = "late"
    DEFERRED = "deferred"
    HORIZON = "horizon"

    @property
    def reason(self) -> str:
        """One line for people."""
        return _REASONS[self]


_REASONS = {
    SiteStatus.OK: "its answer arrived in time",
    SiteStatus.MISSED: "offline when the round began, so it missed the round",
    SiteStatus.BUSY: "still at work on an earlier round when this one began",
    SiteStatus.LATE: "no answer by the deadline; what it had done was dropped",
    SiteStatus.DEFERRED: "its update arrived after the deadline and goes to a later round",
    SiteStatus.HORIZON: "its link would have come back only after the horizon",
}


@dataclass(frozen=True)
class Rules:
    """The organizer's rules for outages and stragglers.

    Attributes:
        start: A site that is offline when the round begins waits for its link or misses the round.
        resumable: Whether a transfer that was cut goes on where it was, instead of from zero.
        deadline_s: Seconds after a round's begin at which it closes; None waits for all.
        late: What becomes of an update after the deadline: dropped, or deferred to a later round.
        min_updates: With fewer updates the global model stays as it is.

    Raises:
        SettingsError: A rule is out of range, or `late` is ``defer`` without a deadline.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    start: Literal["wait", "miss"] = "wait"
    resumable: bool = False
    deadline_s: float | None = None
    late: Literal["drop", "defer"] = "drop"
    min_updates: int = 1

    def __post_init__(self) -> None:
        if self.start not in ("wait", "miss"):
            raise SettingsError(f"outage rule start is {self.start!r}; use 'wait' or 'miss'")
        if self.late not in ("drop", "defer"):
            raise SettingsError(f"outage rule late is {self.late!r}; use 'drop' or 'defer'")
        if self.deadline_s is not None and not (math.isfinite(self.deadline_s) and self.deadline_s > 0):
            raise SettingsError(
                f"outage rule deadline_s is {self.deadline_s}; it must be finite and positive"
            )
        if self.late == "defer" and self.deadline_s is None:
            raise SettingsError(
                "outage rule late is 'defer' without deadline_s; give a deadline or use 'drop'"
            )
        if self.min_updates < 1:
            raise SettingsError(f"outage rule min_updates is {self.min_updates}; it must be at least 1")


@dataclass(frozen=True)
class SitePlay:
    """One site in one round.

    Attributes:
        status: How it ended.
        selected: Whether the strategy chose it for training.
        start_s: When the round began, seconds since the run began.
        time_s: Seconds from then until its answer arrived or it stopped; 0 if it did not take part.
        received_model: Whether its download was finished, so that it could validate.
        trained: Whether its training was finished.
        arrived_s: When its answer arrived, seconds since the run began; None if never. Counts in this
            round only with status ``ok``; with ``deferred`` it lies after the round's end.
        segments: What it did, one after the other, in seconds since the run began.
        bytes_down_factor: How many times the model crossed to the site, cut transfers included.
        bytes_up_factor: The same from the site.
    """

    status: SiteStatus
    selected: bool
    start_s: float
    time_s: float = 0.0
    received_model: bool = False
    trained: bool = False
    arrived_s: float | None = None
    segments: tuple[Segment, ...] = ()
    bytes_down_factor: float = 0.0
    bytes_up_factor: float = 0.0

    @property
    def reason(self) -> str:
        """One line for people: the status, and what the site was doing when it stopped."""
        if self.status in (SiteStatus.LATE, SiteStatus.HORIZON) and self.segments:
            return f"{self.status.reason} (last: {self.segments[-1].kind})"
        return self.status.reason


@dataclass(frozen=True)
class RoundPlay:
    """A round as it went.

    Attributes:
        sites: Every site, in the order of the times given.
        start_s: When it began, seconds since the run began.
        round_time_s: How long it took.
        busy: Sites still at work when it ended, and until when; to be given to the next round.
    """

    sites: Mapping[str, SitePlay]
    start_s: float
    round_time_s: float
    busy: Mapping[str, float] = field(default_factory=dict)

    @property
    def end_s(self) -> float:
        """When it ended, seconds since the run began."""
        return self.start_s + self.round_time_s

    @property
    def arrived(self) -> tuple[str, ...]:
        """The sites whose update of this round arrived in time."""
        return tuple(name for name, site in self.sites.items() if site.selected and site.status == "ok")

    @property
    def deferred(self) -> Mapping[str, float]:
        """The sites whose update arrives after the end, and when.

        It belongs to the first later round that ends at or after that time; its staleness is the number
        of that round minus this one's.
        """
        return {
            name: site.arrived_s
            for name, site in self.sites.items()
            if site.status == "deferred" and site.arrived_s is not None
        }


def play_round(
    start_s: float,
    times: Mapping[str, SiteTimes],
    selected: Collection[str],
    outages: Outages,
    rules: Rules,
    horizon_s: float,
    busy: Mapping[str, float] | None = None,
) -> RoundPlay:
    """Return what happens in a round.

    Every site takes part: the selected ones train, the others only validate. The round ends when all
    that take part have answered; if one does not, at the deadline, or at the horizon where there is none.
    A site that misses the round or is busy is not waited for, but a round in which nobody answers lasts
    to its deadline or the horizon, whichever comes first. Work that is under way at the horizon is
    finished, as in the challenge: without outages and deadline a round lasts exactly as long as the
    longest ``total_s``.

    A late site stops at the deadline. With ``late="defer"`` a selected site that has the model by then
    goes on, and is `busy` in the rounds that begin before its update arrives: it sits them out, so that
    no round ever gets two updates from one site.

    Args:
        start_s: When the round begins, seconds since the run began.
        times: Every site's times of this round, from the clock.
        selected: The sites that train; all of them in `times`.
        outages: When sites are offline.
        rules: The organizer's rules.
        horizon_s: The end of the run's simulated time; no wait goes past it.
        busy: `RoundPlay.busy` of the round before, which ended at `start_s`.

    Raises:
        SettingsError: The start or the horizon is not finite, or a selected site has no times.
    """
    if not (math.isfinite(start_s) and start_s >= 0 and math.isfinite(horizon_s) and horizon_s > 0):
        raise SettingsError(f"a round at {start_s} s with the horizon at {horizon_s} s; both must be finite")
    if unknown := sorted(set(selected) - set(times)):
        raise SettingsError(f"selected sites without times: {', '.join(unknown)}")
    engaged = dict(busy or {})
    sites: dict[str, SitePlay] = {}
    for name, site_times in times.items():
        idle = SitePlay(SiteStatus.OK, name in selected, start_s)
        if name in engaged:
            sites[name] = replace(idle, status=SiteStatus.BUSY)
        elif rules.start == "miss" and outages.next_up(name, start_s) > start_s:
            sites[name] = replace(idle, status=SiteStatus.MISSED)
        else:
            journey = travel(
                name,
                site_times,
                name in selected,
                outages,
                start_s=start_s,
                horizon_s=horizon_s,
                resumable=rules.resumable,
            )
            sites[name] = _judged(idle, journey, rules)
    round_time = _round_time(sites, rules, horizon_s - start_s)
    still = {name: until for name, until in engaged.items() if until > start_s + round_time}
    still |= {name: start_s + site.time_s for name, site in sites.items() if site.time_s > round_time}
    return RoundPlay(sites, start_s, round_time, still)


def _judged(idle: SitePlay, journey: Journey, rules: Rules) -> SitePlay:
    """Apply the deadline to a journey."""
    deadline = math.inf if rules.deadline_s is None else rules.deadline_s
    if journey.end_s <= deadline:
        status = SiteStatus.HORIZON if journey.answered_s is None else SiteStatus.OK
        return _account(idle, journey, status, journey.end_s)
    has_model = journey.received_s is not None and journey.received_s <= deadline
    if rules.late == "drop" or not idle.selected or not has_model:
        return _account(idle, journey, SiteStatus.LATE, deadline)
    status = SiteStatus.HORIZON if journey.answered_s is None else SiteStatus.DEFERRED
    return _account(idle, journey, status, journey.end_s)


def _account(idle: SitePlay, journey: Journey, status: SiteStatus, end_s: float) -> SitePlay:
    """Write down the part of a journey until `end_s` (seconds since the round began)."""
    done = [s.until(end_s) for s in journey.segments if s.start_s < end_s or s.end_s <= end_s]
    start = idle.start_s
    return replace(
        idle,
        status=status,
        time_s=end_s,
        received_model=journey.received_s is not None and journey.received_s <= end_s,
        trained=journey.trained_s is not None and journey.trained_s <= end_s,
        arrived_s=start + end_s if status in (SiteStatus.OK, SiteStatus.DEFERRED) else None,
        segments=tuple(replace(s, start_s=start + s.start_s, end_s=start + s.end_s) for s in done),
        bytes_down_factor=math.fsum(s.share for s in done if s.kind is SegmentKind.DOWNLOAD),
        bytes_up_factor=math.fsum(s.share for s in done if s.kind is SegmentKind.UPLOAD),
    )


def _round_time(sites: Mapping[str, SitePlay], rules: Rules, to_horizon_s: float) -> float:
    deadline = math.inf if rules.deadline_s is None else rules.deadline_s
    # Nobody can tell a site that is lost from one that is slow, so it holds the round up to the end.
    given_up = max(0.0, min(deadline, to_horizon_s))
    answered = [site.time_s for site in sites.values() if site.status is SiteStatus.OK]
    held_up = any(site.status in (SiteStatus.LATE, SiteStatus.DEFERRED) for site in sites.values())
    lost = any(site.status is SiteStatus.HORIZON for site in sites.values())
    ends = list(answered)
    if held_up:
        ends.append(deadline)
    if lost or not answered:
        ends.append(given_up)
    return max(ends)
