"""Which sites are there, and since when the others are not."""

from __future__ import annotations

from collections.abc import Iterable


class Attendance:
    """Keeps note of who came and went. Times are of one clock, in seconds.

    Args:
        now_s: Since when a site that never came counts as absent.
        joined: Sites that came before this process began.

    Example:
        >>> attendance = Attendance(0.0)
        >>> attendance.came("a")
        True
        >>> attendance.went("a", 10.0)
        >>> attendance.lost(["a", "b"], 15.0, after_s=10)
        ('b',)
    """

    def __init__(self, now_s: float, joined: Iterable[str] = ()) -> None:
        self._began_s = now_s
        self._absent_s: dict[str, float] = {}
        self._present: set[str] = set()
        self.ever = set(joined)
        self.seen: set[str] = set()

    @property
    def present(self) -> frozenset[str]:
        """Sites that are connected."""
        return frozenset(self._present)

    def came(self, site: str) -> bool:
        """Note that a site is connected; return whether it never was before."""
        first = site not in self.ever
        self._present.add(site)
        self.seen.add(site)
        self.ever.add(site)
        return first

    def went(self, site: str, now_s: float) -> None:
        """Note that a site's connection is gone."""
        if site in self._present:
            self._present.discard(site)
            self._absent_s[site] = now_s

    def lost(self, sites: Iterable[str], now_s: float, after_s: float) -> tuple[str, ...]:
        """Return those of the sites that have been absent for so long, in name order."""
        return tuple(
            sorted(
                site
                for site in sites
                if site not in self._present and now_s - self._absent_s.get(site, self._began_s) >= after_s
            )
        )
