"""What the leaderboard needs to know of a signed record; who verifies it is passed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol


class Verdict(Protocol):
    """What is to be said of a run's record."""

    @property
    def intact(self) -> bool:
        """Whether the signature holds and every file is the one that was recorded."""

    @property
    def signer(self) -> str:
        """``known``, ``unknown`` or ``none``."""

    @property
    def fingerprint(self) -> str:
        """Of the key that signed; empty when there is no valid signature."""

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each file or part that is not as recorded."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """The recorded facts; to be believed only when the record is intact."""


Verify = Callable[[Path], Verdict]
"""Verifies a run's folder; one without a record is not intact, and the problem says so."""
