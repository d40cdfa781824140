"""A federation in plain lines, for a log or a screen that is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable

from fl_core.federation.dashboard.view import FederationView, after
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


class PlainLines:
    """Tells of everything but what sites say while they work.

    Args:
        tell: Takes a line.
        clock: Seconds, rising.
    """

    def __init__(self, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._view = FederationView()

    def __call__(self, progress: Progress) -> None:
        """Take note."""
        now_s = self._clock()
        self._view = after(self._view, progress, now_s)
        for line in lines_of(progress, self._view, now_s):
            self._tell(plain(line))


def lines_of(told: Progress, view: FederationView, now_s: float) -> list[str]:
    """Return the lines that tell of something.

    Args:
        told: What happened.
        view: The federation after it.
        now_s: The time.

    Example:
        >>> lines_of(SiteJoined("a"), FederationView(), 0.0)
        ['a: connected (0 sites now)']
    """
    match told:
        case Began():
            return [_began(told)]
        case RoundBegan():
            return _round_began(told, view)
        case SiteJoined(site):
            return [f"{site}: connected ({view.connected} sites now)"]
        case SiteLeft(site, reason):
            what = "left" if view.phase in ("farewell", "ended") else "connection lost"
            return [f"{site}: {what}: {reason} ({view.connected} sites now)"]
        case SiteTold():
            return []
        case SiteDelivered(row):
            took = "" if row.wall_s is None else f" after {duration_text(row.wall_s)}"
            return [f"round {row.round}: {row.site}: results taken{took}"]
        case SiteDropped(site, round, reason):
            return [f"round {round}: {site}: dropped: {reason}"]
        case Late(site, round):
            return [f"round {round}: {site}: results came too late and were not taken"]
        case RoundEnded(row):
            return [_round_ended(row, view, now_s)]
        case Remark(text):
            return [text]
        case WaitingForFarewell(sites, linger_s):
            who = f": {', '.join(sites)}" if sites else ""
            return [f"telling the sites that it is over, for up to {duration_text(linger_s)}{who}"]
        case Ended(text=text, untold=untold):
            return [text, *([f"did not read of the end: {', '.join(untold)}"] if untold else [])]


def plain(line: str) -> str:
    r"""Return a line that cannot steer a terminal: sites' own words are in it.

    Example:
        >>> plain("a: " + chr(27) + "[2J")
        'a: ?[2J'
    """
    return "".join(character if character.isprintable() else "?" for character in line)


def duration_text(seconds: float) -> str:
    """Return a duration as people say it.

    Example:
        >>> [duration_text(s) for s in (0.25, 59.6, 61, 3600 * 30)]
        ['0.2 s', '1 min 0 s', '1 min 1 s', '30 h 0 min']
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def score_text(row: RoundRow) -> str:
    """Return a round's score and the best one.

    Example:
        >>> score_text(RoundRow(1, "ok", 0.5, 0.75, 2, 2, 0, {}))
        'score 0.5000, best 0.7500'
    """
    if row.score is None:
        return "not scored"
    best = "" if row.best_score is None else f", best {row.best_score:.4f}"
    return f"score {row.score:.4f}{best}"


def _began(told: Began) -> str:
    if told.finished:
        return f"federation {told.federation}: all {told.rounds} rounds are over already"
    goes_on = f"goes on with round {told.round}" if told.resumed else "begins"
    return f"federation {told.federation}: {goes_on}; rounds 0 to {told.rounds - 1}"


def _round_began(told: RoundBegan, view: FederationView) -> list[str]:
    working = sorted(site for site, tasks in told.tasks.items() if tasks)
    away = [site for site in working if not view.sites[site].connected]
    what = "the last model is validated" if told.round >= view.rounds else f"of {view.rounds}"
    lines = [f"round {told.round} ({what}): {len(working)} sites have tasks: {', '.join(working) or 'none'}"]
    if told.arrived:
        lines.append(f"round {told.round}: results are here already: {', '.join(sorted(told.arrived))}")
    if away:
        lines.append(f"round {told.round}: not connected: {', '.join(away)}")
    return lines


def _round_ended(row: RoundRow, view: FederationView, now_s: float) -> str:
    left_s = view.left_s(now_s)
    left = "" if not left_s else f"; about {duration_text(left_s)} left"
    dropped = f", {row.dropped} dropped" if row.dropped else ""
    sites = f"{row.received} of {row.selected} sites{dropped}"
    return f"round {row.round}: {row.status}: {sites}; {score_text(row)}{left}"
