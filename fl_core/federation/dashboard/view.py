"""What is known of a federation while it runs: one value, made from what the lead tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from fl_core.federation.progress import (
    Began,
    Ended,
    Late,
    Progress,
    Remark,
    RoundBegan,
    RoundEnded,
    SiteDelivered,
    SiteDropped,
    SiteJoined,
    SiteLeft,
    SiteTold,
    WaitingForFarewell,
)
from fl_core.federation.round_row import RoundRow

_RECENT: Final = 5


@dataclass(frozen=True)
class SiteView:
    """One site.

    Attributes:
        connected: Whether it is.
        doing: What it says it does, or why it is gone.
        part: Its part in this round: ``works``, ``done``, ``dropped``, ``no tasks``; empty between rounds.
        tasks: Those it has in this round.
        samples: Largest number of samples of a task that it handed in.
        delivered: Rounds in which its results counted.
        dropped: Rounds in which it was dropped.
    """

    connected: bool = False
    doing: str = ""
    part: str = ""
    tasks: tuple[str, ...] = ()
    samples: int | None = None
    delivered: int = 0
    dropped: int = 0


@dataclass(frozen=True)
class FederationView:
    """A federation.

    Attributes:
        name: Its name.
        rounds: How many train.
        round: The one that is on.
        phase: ``starting``, ``round``, ``between rounds``, ``farewell`` or ``ended``.
        sites: By name.
        last: What the last round came to.
        durations_s: Of the last rounds.
        opened_s: When the round began.
        text: The last word.
    """

    name: str = ""
    rounds: int = 0
    round: int = 0
    phase: str = "starting"
    sites: Mapping[str, SiteView] = field(default_factory=dict)
    last: RoundRow | None = None
    durations_s: tuple[float, ...] = ()
    opened_s: float | None = None
    text: str = ""

    @property
    def connected(self) -> int:
        """Number of connected sites."""
        return sum(site.connected for site in self.sites.values())

    def left_s(self, now_s: float) -> float | None:
        """Return an estimate of the time left: rounds to go, each as long as the last ones were on average.

        None before a round has ended.
        """
        if not self.durations_s or self.phase in ("farewell", "ended"):
            return None
        mean_s = sum(self.durations_s) / len(self.durations_s)
        to_go = max(0, self.rounds - self.round) * mean_s
        spent_s = 0.0 if self.opened_s is None else now_s - self.opened_s
        return max(0.0, to_go - min(spent_s, mean_s))


def after(view: FederationView, told: Progress, now_s: float) -> FederationView:
    """Return the view once the lead has told this.

    Example:
        >>> view = after(FederationView(), SiteJoined("a"), now_s=0.0)
        >>> view.sites["a"].connected, view.connected
        (True, 1)
    """
    match told:
        case Began():
            return replace(view, name=told.federation, rounds=told.rounds, round=told.round)
        case RoundBegan():
            return _round_began(view, told, now_s)
        case SiteJoined(site):
            return _site(view, site, connected=True, doing="joined")
        case SiteLeft(site, reason):
            return _site(view, site, connected=False, doing=f"gone: {reason}")
        case SiteTold(site, text):
            return _site(view, site, doing=text)
        case SiteDelivered(row):
            samples = max(row.samples.values(), default=0) if row.samples else 0
            delivered = _of(view, row.site).delivered + 1
            return _site(view, row.site, part="done", samples=samples, delivered=delivered)
        case SiteDropped(site, _, reason):
            dropped = _of(view, site).dropped + 1
            return _site(view, site, part="dropped", doing=f"dropped: {reason}", dropped=dropped)
        case Late(site, round):
            return _site(view, site, doing=f"too late for round {round}")
        case RoundEnded(row):
            return _round_ended(view, row, now_s)
        case Remark(text):
            return replace(view, text=text)
        case WaitingForFarewell(sites):
            waiting = f"waiting for {', '.join(sites)} to read the end" if sites else ""
            return replace(view, phase="farewell", text=waiting)
        case Ended(text=text):
            return replace(view, phase="ended", text=text)


def _of(view: FederationView, site: str) -> SiteView:
    return view.sites.get(site, SiteView())


def _site(view: FederationView, site: str, **changes: object) -> FederationView:
    changed = replace(_of(view, site), **changes)  # type: ignore[arg-type]
    return replace(view, sites={**view.sites, site: changed})


def _round_began(view: FederationView, told: RoundBegan, now_s: float) -> FederationView:
    sites = {name: replace(site, part="", tasks=()) for name, site in view.sites.items()}
    for name, tasks in told.tasks.items():
        part = "done" if name in told.arrived else "works" if tasks else "no tasks"
        sites[name] = replace(sites.get(name, SiteView()), part=part, tasks=tasks)
    view = replace(view, durations_s=_durations(view, now_s))
    return replace(view, round=told.round, phase="round", sites=sites, opened_s=now_s)


def _round_ended(view: FederationView, row: RoundRow, now_s: float) -> FederationView:
    view = replace(view, last=row)
    if row.round < view.round:  # its model was still on its way to the disk when the next one began
        return view
    return replace(
        view,
        phase="between rounds",
        round=row.round + 1,
        durations_s=_durations(view, now_s),
        opened_s=None,
    )


def _durations(view: FederationView, now_s: float) -> tuple[float, ...]:
    """Return the durations with that of the open round, which is over now."""
    if view.opened_s is None or view.round >= view.rounds:
        return view.durations_s
    return (*view.durations_s, now_s - view.opened_s)[-_RECENT:]
