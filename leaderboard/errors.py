"""Errors of the leaderboard: each message says what, where and how to mend it."""

from __future__ import annotations

from typing import ClassVar


class LeaderboardError(Exception):
    """Tracking or ranking that failed; the command line exits with 1."""

    exit_code: ClassVar[int] = 1


class TrackingError(LeaderboardError):
    """The tracking store cannot be used as asked."""


class OutboxError(LeaderboardError):
    """A file of unsent messages that cannot be read."""


class TableError(LeaderboardError):
    """A table, or what was asked of it, that cannot be ranked; the command line exits with 2."""

    exit_code: ClassVar[int] = 2
