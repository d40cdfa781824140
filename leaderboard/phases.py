"""The experiments of a challenge in MLflow: one for each task, phase and audience.

MLflow gives rights by experiment and no finer, so that public and private boards are separate ones.
"""

from __future__ import annotations

from typing import Literal, get_args

from leaderboard.errors import TrackingError

Phase = Literal["dev", "test"]
Audience = Literal["public", "private"]


def experiment_name(task: str, phase: str, audience: str) -> str:
    """Return the experiment of a board.

    Raises:
        TrackingError: No such phase or audience.

    Example:
        >>> experiment_name("task1", "test", "private")
        'task1-test-private'
    """
    if phase not in get_args(Phase):
        raise TrackingError(f"phase {phase!r} is none of {', '.join(get_args(Phase))}")
    if audience not in get_args(Audience):
        raise TrackingError(f"board {audience!r} is none of {', '.join(get_args(Audience))}")
    return f"{task}-{phase}-{audience}"
