"""A federation as a table on the operator's terminal."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self, TextIO

from rich.console import Console, Group
from rich.file_proxy import FileProxy
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fl_core.federation.dashboard.lines import duration_text, lines_of, plain, score_text
from fl_core.federation.dashboard.view import FederationView, SiteView, after
from fl_core.federation.progress import Began, Ended, Late, Progress, Remark, RoundEnded, SiteDropped
from fl_core.transport.handshake_log import standard_error

_STYLES: Final = {"done": "green", "dropped": "red", "works": "cyan"}
_MOST_ROWS: Final = 40
_TASKS_WIDTH: Final = 32
_TOLD: Final = (Began, Late, Remark, RoundEnded, SiteDropped, Ended)
"""What also stays above the table, for whoever scrolls back."""


class Dashboard:
    """Draws the table anew a few times a second while it is open.

    Args:
        terminal: Where to draw.
        clock: Seconds, rising.
    """

    def __init__(self, terminal: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = Console(file=terminal)
        self._terminal = terminal
        self._clock = clock
        self._view = FederationView()
        self._lock = threading.Lock()
        self._live = Live(
            get_renderable=self._drawn,
            console=self.console,
            refresh_per_second=4,
            redirect_stderr=False,
            redirect_stdout=False,
        )

    def __call__(self, progress: Progress) -> None:
        """Take note."""
        now_s = self._clock()
        with self._lock:
            self._view = after(self._view, progress, now_s)
        if isinstance(progress, _TOLD):
            for line in lines_of(progress, self._view, now_s):
                self.console.print(Text(plain(line)))

    def _drawn(self) -> Group:
        with self._lock:
            return drawn(self._view, self._clock())

    def __enter__(self) -> Self:
        self._open = contextlib.ExitStack()
        # Log lines appear above the table and not across it.
        proxy: Any = FileProxy(self.console, self._terminal)
        self._open.enter_context(standard_error(proxy))
        self._open.enter_context(self._live)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()


def drawn(view: FederationView, now_s: float) -> Group:
    """Return the table of a federation."""
    table = Table(expand=True)
    for title in ("site", "connected", "this round", "does", "taken", "dropped", "samples"):
        right = title in ("taken", "dropped", "samples")
        wide = title == "does"
        table.add_column(
            title,
            justify="right" if right else "left",
            no_wrap=not wide,
            max_width=_TASKS_WIDTH if title == "this round" else None,
            ratio=1 if wide else None,
        )
    names = sorted(view.sites)
    for name in names[:_MOST_ROWS]:
        table.add_row(*_row(name, view.sites[name]))
    more = [Text(f"… and {len(names) - _MOST_ROWS} more sites")] if len(names) > _MOST_ROWS else []
    return Group(Text(headline(view, now_s), style="bold"), table, *more)


def headline(view: FederationView, now_s: float) -> str:
    """Return the line above the table.

    Example:
        >>> headline(FederationView(name="f1", rounds=5, round=2, phase="round", opened_s=0.0), 3.0)
        'federation f1 | round 2 of 5, for 3.0 s | 0 of 0 sites connected'
    """
    parts = [f"federation {view.name or '?'}"]
    match view.phase:
        case "round" if view.round >= view.rounds:
            parts.append("validating the last model")
        case "round":
            spent = "" if view.opened_s is None else f", for {duration_text(now_s - view.opened_s)}"
            parts.append(f"round {view.round} of {view.rounds}{spent}")
        case "farewell" | "ended":
            parts.append(view.text or view.phase)
        case phase:
            parts.append(phase)
    parts.append(f"{view.connected} of {len(view.sites)} sites connected")
    if view.last is not None:
        parts.append(score_text(view.last))
    if left_s := view.left_s(now_s):
        parts.append(f"about {duration_text(left_s)} left")
    return " | ".join(parts)


def _row(name: str, site: SiteView) -> list[Text]:
    part = f"{site.part} ({', '.join(site.tasks)})" if site.tasks else site.part
    return [
        Text(name),
        Text("yes" if site.connected else "no", style="green" if site.connected else "red"),
        Text(part, style=_STYLES.get(site.part, "")),
        Text(plain(site.doing)),
        Text(str(site.delivered)),
        Text(str(site.dropped)),
        Text("" if site.samples is None else str(site.samples)),
    ]
