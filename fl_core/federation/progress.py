"""What a lead tells those who watch it: dashboards, logs, counters. Nothing of it changes the federation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fl_core.federation.round_row import RoundRow, SiteRow


@dataclass(frozen=True)
class Began:
    """The lead is ready for sites.

    Attributes:
        federation: The federation's own name.
        rounds: How many train.
        round: The one to begin or go on with.
        resumed: Whether an earlier process led this federation.
        finished: Whether it is over already.
    """

    federation: str
    rounds: int
    round: int
    resumed: bool
    finished: bool


@dataclass(frozen=True)
class RoundBegan:
    """A round's work was handed out.

    Attributes:
        round: From 0; the one after the last only validates.
        tasks: By site, those without tasks included.
        arrived: Sites whose results an earlier process took.
    """

    round: int
    tasks: Mapping[str, tuple[str, ...]]
    arrived: tuple[str, ...] = ()


@dataclass(frozen=True)
class SiteJoined:
    """A site is connected."""

    site: str


@dataclass(frozen=True)
class SiteLeft:
    """A site's connection is gone; it may come back."""

    site: str
    reason: str


@dataclass(frozen=True)
class SiteTold:
    """What a site says it does."""

    site: str
    text: str


@dataclass(frozen=True)
class SiteDelivered:
    """A site's results count."""

    row: SiteRow


@dataclass(frozen=True)
class SiteDropped:
    """A site takes no further part in this round, and why."""

    site: str
    round: int
    reason: str


@dataclass(frozen=True)
class Late:
    """Results that came too late, and were not taken."""

    site: str
    round: int


@dataclass(frozen=True)
class RoundEnded:
    """A round is closed and its model on disk."""

    row: RoundRow


@dataclass(frozen=True)
class Remark:
    """Something an operator should know."""

    text: str


@dataclass(frozen=True)
class WaitingForFarewell:
    """The federation is over; these sites have not read so."""

    sites: tuple[str, ...]
    linger_s: float


@dataclass(frozen=True)
class Ended:
    """The lead is done.

    Attributes:
        finished: Whether all rounds are over; else it was stopped, and can be started again.
        rounds: Rounds that trained.
        text: One line that says so.
        score: Of the best model; None where nothing was scored.
        best_round: The round whose model is the best.
        untold: Sites that did not read the farewell.
    """

    finished: bool
    rounds: int
    text: str
    score: float | None = None
    best_round: int = 0
    untold: tuple[str, ...] = field(default=())


Progress = (
    Began
    | RoundBegan
    | SiteJoined
    | SiteLeft
    | SiteTold
    | SiteDelivered
    | SiteDropped
    | Late
    | RoundEnded
    | Remark
    | WaitingForFarewell
    | Ended
)


class Observer(Protocol):
    """Watches a federation; called in the lead's thread, so it returns soon and raises nothing."""

    def __call__(self, progress: Progress, /) -> None:
        """Take note."""
        ...


def unobserved(progress: Progress) -> None:
    """Watch nothing."""
