"""One site's way through a round over a link that comes and goes, before any deadline is applied."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tasks.task1_aggregation.clock.base import SiteTimes
from tasks.task1_aggregation.outages.process import Outages


class SegmentKind(StrEnum):
    """What a site does during a stretch of time."""

    DOWNLOAD = "download"
    VALIDATE = "validate"
    TRAIN = "train"
    VALIDATE_LOCAL = "validate_local"
    UPLOAD = "upload"
    WAIT = "wait"


@dataclass(frozen=True)
class Segment:
    """A stretch of a site's time.

    Attributes:
        kind: What the site does; ``wait`` is waiting for its link.
        start_s: Seconds; since the round began in a `Journey`, since the run began in a `SitePlay`.
        end_s: As `start_s`.
        share: For a transfer, the part of the model that crossed in it, 0 to 1; else 0.
    """

    kind: SegmentKind
    start_s: float
    end_s: float
    share: float = 0.0

    def until(self, cut_s: float) -> Segment:
        """Return the part before `cut_s`, which lies inside or after the segment."""
        if self.end_s <= cut_s:
            return self
        part = (cut_s - self.start_s) / (self.end_s - self.start_s)
        return Segment(self.kind, self.start_s, cut_s, self.share * part)


@dataclass(frozen=True)
class Journey:
    """What a site would do with nobody to hurry it; times in seconds since the round began.

    Attributes:
        segments: One after the other, without gaps.
        received_s: When it had the whole model; None if never.
        trained_s: When its training was over; None if it did not train.
        answered_s: When its answer (update, or report of metrics) had arrived; None if never.
        end_s: When it stopped: with its answer, or when it gave up at the horizon.
    """

    segments: tuple[Segment, ...]
    received_s: float | None
    trained_s: float | None
    answered_s: float | None
    end_s: float


class _Site:
    """Walks through the round; `now` is in seconds since the round began."""

    def __init__(
        self, outages: Outages, site: str, start_s: float, horizon_s: float, resumable: bool
    ) -> None:
        self.now = 0.0
        self.segments: list[Segment] = []
        self._horizon = horizon_s - start_s
        self._resumable = resumable
        # Windows are moved to the round's time once, and all comparisons made there: adding and
        # subtracting the start back and forth would round, and a site could wait in vain.
        self._windows: Iterator[tuple[float, float]] = (
            (window.start_s - start_s, window.end_s - start_s) for window in outages.windows(site, start_s)
        )
        self._outage = next(self._windows, None)

    def work(self, kind: SegmentKind, seconds: float) -> None:
        """Compute; needs no link."""
        self._spend(kind, self.now + seconds)

    def transfer(self, kind: SegmentKind, seconds: float) -> bool:
        """Move the model once; begin anew, or go on if resumable, whenever the link was cut.

        Returns:
            Whether it crossed; False after giving up at the horizon.
        """
        done = 0.0
        while self.wait_for_link():
            end = self.now + seconds * (1 - done)
            cut = self._outage[0] if self._outage is not None else math.inf
            if cut >= end:
                self._spend(kind, end, 1 - done)
                return True
            share = (cut - self.now) / seconds
            done = min(1.0, done + share) if self._resumable else 0.0
            self._spend(kind, cut, share)
        return False

    def wait_for_link(self) -> bool:
        """Wait until the site is online; False after giving up, where that is past the horizon."""
        while (up := self._up_again()) is not None:
            if up > self._horizon:
                self._spend(SegmentKind.WAIT, max(self.now, self._horizon))
                return False
            self._spend(SegmentKind.WAIT, up)
        return True

    def _up_again(self) -> float | None:
        """Return the end of the outage that the site is in; None if it is online."""
        while self._outage is not None and self._outage[1] <= self.now:
            self._outage = next(self._windows, None)
        if self._outage is None or self._outage[0] > self.now:
            return None
        return self._outage[1]

    def _spend(self, kind: SegmentKind, until: float, share: float = 0.0) -> None:
        if until > self.now or share > 0:
            self.segments.append(Segment(kind, self.now, until, share))
        self.now = until


def travel(
    site: str,
    times: SiteTimes,
    trains: bool,
    outages: Outages,
    *,
    start_s: float,
    horizon_s: float,
    resumable: bool,
) -> Journey:
    """Return the way of a site that begins its round at `start_s` and waits for its link where it must.

    It downloads the model, validates it, trains and validates again if it was selected, and uploads.
    Computing goes on while it is offline. A site that only validates sends a report of some hundred
    bytes, which takes no time but needs the link. No wait goes past the horizon; work and transfers
    that are under way then are finished, so that without outages nothing depends on the horizon.

    Args:
        site: The site's name.
        times: Its times of this round, from the clock.
        trains: Whether it was selected for training.
        outages: When it is offline.
        start_s: When the round begins, seconds since the run began.
        horizon_s: The end of the run's simulated time, finite.
        resumable: Whether a transfer that was cut goes on where it was.
    """
    walk = _Site(outages, site, start_s, horizon_s, resumable)
    received = trained = answered = None
    if walk.transfer(SegmentKind.DOWNLOAD, times.download_s):
        received = walk.now
        walk.work(SegmentKind.VALIDATE, times.validate_s)
        if trains:
            walk.work(SegmentKind.TRAIN, times.train_s)
            trained = walk.now
            walk.work(SegmentKind.VALIDATE_LOCAL, times.validate_local_s)
            came_through = walk.transfer(SegmentKind.UPLOAD, times.upload_s)
        else:
            came_through = walk.wait_for_link()
        answered = walk.now if came_through else None
    return Journey(tuple(walk.segments), received, trained, answered, walk.now)
