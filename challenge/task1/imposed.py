"""The outages of the simulation, imposed on real connections: simulated seconds become real ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from fl_core.transport.imposed_outages import Cut, Decision, Delay, Pass, Refuse
from fl_core.transport.methods import DOWNLOAD, UPLOAD
from tasks.task1_aggregation.outages.process import Outages

WAITED_S = 0.2
"""What is left of an outage when it is waited through, and not refused: seconds on the wall."""
AHEAD_S = 0.5
"""A transfer that begins so shortly before an outage is broken off by it: seconds on the wall."""
BYTES_PER_S = 1 << 20
"""What a transfer is taken to move in a second until it breaks off."""
_TRANSFERS = frozenset({DOWNLOAD.name, UPLOAD.name})


class ImposedTrace:
    """Decides what an outage does to a call.

    The simulated time is 0 at the first call, and `scale` seconds pass in each on the wall. A site that is
    offline then is refused, or made to wait where its link is back in an instant; a transfer that begins just
    before an outage is cut by it. Calls under way that move nothing stay open. After the horizon nothing is
    imposed, as nothing is simulated, so that a site that never comes back holds nobody up for ever.

    Args:
        outages: The trace; nobody else may ask it while this one does.
        scale: Simulated seconds in a second on the wall.
        horizon_s: Simulated seconds.
        clock: Seconds on the wall, rising.

    Example:
        >>> from tasks.task1_aggregation.outages.process import SiteOutages, Window
        >>> now = [0.0]
        >>> outages = Outages(0, {"a": SiteOutages(windows=(Window(10, 40),))})
        >>> decide = ImposedTrace(outages, scale=10, horizon_s=1000, clock=lambda: now[0])
        >>> decide("a", "Join")
        Pass()
        >>> now[0] = 0.75
        >>> decide("a", "Download")
        Cut(after_bytes=262144)
        >>> now[0] = 2.0
        >>> decide("a", "Join"), decide("b", "Join")
        (Refuse(reason='an imposed outage: a is offline for 2 s more'), Pass())
        >>> now[0] = 3.875
        >>> decide("a", "Join")
        Delay(seconds=0.125)
    """

    def __init__(
        self,
        outages: Outages,
        scale: float,
        horizon_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outages = outages
        self._scale = scale
        self._horizon_s = horizon_s
        self._clock = clock
        self._began: float | None = None
        self._lock = threading.Lock()

    def __call__(self, site: str, method: str) -> Decision:
        """Return what happens to a call of a site."""
        with self._lock:
            now = self._clock()
            if self._began is None:
                self._began = now
            return self._decide(site, method, (now - self._began) * self._scale)

    def _decide(self, site: str, method: str, simulated_s: float) -> Decision:
        window = next(self._outages.windows(site, since_s=simulated_s), None)
        if window is None or max(window.start_s, simulated_s) >= self._horizon_s:
            return Pass()
        if window.start_s <= simulated_s:
            left_s = (min(window.end_s, self._horizon_s) - simulated_s) / self._scale
            if left_s <= WAITED_S:
                return Delay(left_s)
            return Refuse(f"an imposed outage: {site} is offline for {left_s:.3g} s more")
        until_s = (window.start_s - simulated_s) / self._scale
        if method in _TRANSFERS and until_s < AHEAD_S:
            return Cut(int(until_s * BYTES_PER_S))
        return Pass()
