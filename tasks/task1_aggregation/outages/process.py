"""When each site is offline: a random on/off process, scheduled windows, or both."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from fl_core.seeding import generator
from tasks.task1_aggregation.errors import SettingsError

_SHORTEST_MEAN_UP_S = 1.0


@dataclass(frozen=True)
class Window:
    """A stretch of simulated time in which a site is offline: ``start_s <= t < end_s``.

    Attributes:
        start_s: Seconds since the run began.
        end_s: Seconds since the run began; infinite for a site that never comes back.

    Raises:
        SettingsError: It begins before the run, or does not end after it began.
    """

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_s) and 0 <= self.start_s < self.end_s):
            raise SettingsError(
                f"an outage from {self.start_s} s to {self.end_s} s; it must begin at 0 or later and then end"
            )


@dataclass(frozen=True)
class SiteOutages:
    """What takes one site offline: the union of a random process and of fixed windows.

    The process is an alternating renewal process with exponential up and down times. It begins in its
    stationary state, so that the first round is no luckier than the others: offline at time 0 with
    probability ``mean_down / (mean_up + mean_down)``.

    Attributes:
        mean_up_s: Mean time between outages, at least 1 s; infinite for no process.
        mean_down_s: Mean length of an outage; 0 for no process.
        windows: Fixed outages, in any order; they may overlap.

    Raises:
        SettingsError: A mean is out of range.
    """

    mean_up_s: float = math.inf
    mean_down_s: float = 0.0
    windows: tuple[Window, ...] = ()

    def __post_init__(self) -> None:
        if not self.mean_up_s >= _SHORTEST_MEAN_UP_S:
            raise SettingsError(f"a mean time between outages of {self.mean_up_s} s; use at least 1 s")
        if not (math.isfinite(self.mean_down_s) and self.mean_down_s >= 0):
            raise SettingsError(f"a mean outage of {self.mean_down_s} s; it must be finite and not negative")


class Outages:
    """The outages of every site, the same whatever is asked, in whatever order.

    Each site's process draws from a generator of its own. It is drawn on as far as a question needs and
    remembered; no answer depends on the questions before. A site without an entry is always online.

    Args:
        seed: The run's seed.
        sites: What takes each site offline.

    Example:
        >>> outages = Outages(0, {"1": SiteOutages(windows=(Window(10, 20), Window(15, 30)))})
        >>> outages.down("1", until_s=100)
        (Window(start_s=10, end_s=30),)
        >>> outages.next_up("1", 12), outages.next_down("1", 12), outages.next_down("1", 30)
        (30, 12, inf)
    """

    def __init__(self, seed: int = 0, sites: Mapping[str, SiteOutages] | None = None) -> None:
        self.seed = seed
        self.sites: Mapping[str, SiteOutages] = dict(sites or {})
        self._known: dict[str, list[Window]] = {site: [] for site in self.sites}
        self._more = {site: _windows(seed, site, rule) for site, rule in self.sites.items()}

    def windows(self, site: str, since_s: float = 0.0) -> Iterator[Window]:
        """Yield the site's outages that end after `since_s`, in order, apart from one another.

        With a random process there is no last one: take only as many as are needed.
        """
        known = self._known.get(site, [])
        index = bisect_right(known, since_s, key=attrgetter("end_s"))
        while self._extends_to(site, index):
            if known[index].end_s > since_s:
                yield known[index]
            index += 1

    def down(self, site: str, until_s: float) -> tuple[Window, ...]:
        """Return the site's outages that begin before `until_s`; the last may end after it."""
        found = []
        for window in self.windows(site):
            if window.start_s >= until_s:
                break
            found.append(window)
        return tuple(found)

    def next_up(self, site: str, t: float) -> float:
        """Return the first time from `t` on at which the site is online; infinite if never."""
        window = next(self.windows(site, since_s=t), None)
        return window.end_s if window is not None and window.start_s <= t else t

    def next_down(self, site: str, t: float) -> float:
        """Return the first time from `t` on at which the site is offline; infinite if never."""
        window = next(self.windows(site, since_s=t), None)
        return math.inf if window is None else max(t, window.start_s)

    def to_dict(self) -> dict[str, Any]:
        """Return all that defines the outages as plain values (JSON); no past questions."""
        return {"seed": self.seed, "sites": {site: _rule_as_dict(rule) for site, rule in self.sites.items()}}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Outages:
        """Return the outages that `to_dict` described.

        Raises:
            SettingsError: A number in it is out of range.
        """
        return cls(content["seed"], {site: _rule_of(rule) for site, rule in content["sites"].items()})

    def _extends_to(self, site: str, index: int) -> bool:
        """Draw the site's outages on until there is one of that index; False if there is none."""
        known = self._known.get(site)
        if known is None:
            return False
        while len(known) <= index:
            window = next(self._more[site], None)
            if window is None:
                return False
            known.append(window)
        return True


def _windows(seed: int, site: str, rule: SiteOutages) -> Iterator[Window]:
    process = _renewal(generator(seed, "outages", site), rule.mean_up_s, rule.mean_down_s)
    return _union([process, sorted(rule.windows, key=attrgetter("start_s"))])


def _renewal(rng: np.random.Generator, mean_up_s: float, mean_down_s: float) -> Iterator[Window]:
    if mean_down_s == 0 or math.isinf(mean_up_s):
        return
    starts_down = float(rng.random()) < mean_down_s / (mean_up_s + mean_down_s)
    start = 0.0 if starts_down else float(rng.exponential(mean_up_s))
    while True:
        # An outage too short to show in floating point still takes up time, so that each draw yields one.
        end = max(start + float(rng.exponential(mean_down_s)), math.nextafter(start, math.inf))
        yield Window(start, end)
        start = end + float(rng.exponential(mean_up_s))


def _union(streams: Sequence[Iterable[Window]]) -> Iterator[Window]:
    """Merge streams that are each ordered by start; windows that overlap or touch become one."""
    current: Window | None = None
    for window in heapq.merge(*streams, key=attrgetter("start_s")):
        if current is None:
            current = window
        elif window.start_s <= current.end_s:
            current = Window(current.start_s, max(current.end_s, window.end_s))
        else:
            yield current
            current = window
        if math.isinf(current.end_s):
            break  # nothing can follow, and a process would go on for ever
    if current is not None:
        yield current


def _rule_as_dict(rule: SiteOutages) -> dict[str, Any]:
    return {
        "mean_up_s": _finite(rule.mean_up_s),
        "mean_down_s": rule.mean_down_s,
        "windows": [[window.start_s, _finite(window.end_s)] for window in rule.windows],
    }


def _rule_of(content: Mapping[str, Any]) -> SiteOutages:
    return SiteOutages(
        mean_up_s=_endless(content["mean_up_s"]),
        mean_down_s=content["mean_down_s"],
        windows=tuple(Window(start, _endless(end)) for start, end in content["windows"]),
    )


def _finite(seconds: float) -> float | None:
    # JSON has no infinity.
    return None if math.isinf(seconds) else seconds


def _endless(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds
