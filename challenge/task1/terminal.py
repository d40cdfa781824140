"""What a person at the terminal is shown of a run; nothing depends on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tasks.task1_aggregation.rows import RoundRow


class Terminal(Protocol):
    """Is told how a run goes."""

    def say(self, text: str) -> None:
        """One line for the reader."""
        ...

    def warn(self, text: str) -> None:
        """One line that the reader should not miss."""
        ...

    def progress(self, what: str, done: int, total: int) -> None:
        """How far a step of preparation is."""
        ...

    def begin(self, rounds: int, horizon_s: float, sites: int, done: int) -> None:
        """The rounds begin; `done` of them were played before a resume."""
        ...

    def started(self, round: int, selected: Sequence[str], jobs: int) -> None:
        """A round's jobs begin."""
        ...

    def site_done(self, round: int, site: str) -> None:
        """A site's job ended."""
        ...

    def note(self, round: int, text: str) -> None:
        """A remark on a round."""
        ...

    def round_done(self, row: RoundRow) -> None:
        """A round is written down."""
        ...

    def finished(self, folder: Path, summary: Mapping[str, Any]) -> None:
        """The run is over."""
        ...
