"""The Ladder: a public board that many attempts cannot overfit to.

Blum & Hardt (2015, ICML, "The Ladder: a reliable leaderboard for machine learning competitions", Algorithm 2,
without parameter). Of a team's attempts in turn, one moves the team only if its mean loss is lower than that
of the best so far by more than the standard error of their paired difference; else the team keeps what it
had, and learns no more than that. What is released is the mean loss rounded to 1 / n for n cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.text_table import read_text_table

_MOST_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Rung:
    """What is released after an attempt.

    Attributes:
        standing: Number of the attempt that the team stands with.
        released: Its mean loss, rounded.
        moved: Whether this attempt moved the team.
    """

    standing: int
    released: float
    moved: bool


@dataclass(frozen=True)
class Attempt:
    """A submission of a team; attempts of a team are in the order of their submission."""

    team: str
    submission: str


def climb(losses: Sequence[npt.ArrayLike]) -> tuple[Rung, ...]:
    """Return what is released after each of a team's attempts.

    Args:
        losses: Of each attempt in turn, on the same cases, shape (case,); in [0, 1].

    Raises:
        TableError: The attempts were not evaluated on the same cases.

    Example:
        >>> [rung.standing for rung in climb([[0.5, 0.5, 0.5], [0.5, 0.4, 0.6], [0.1, 0.2, 0.1]])]
        [0, 0, 2]
    """
    attempts = [np.asarray(own, np.float64) for own in losses]
    if len({own.shape for own in attempts}) > 1 or any(own.ndim != 1 or not len(own) for own in attempts):
        raise TableError("the Ladder compares attempts on the same cases; evaluate all on the same ones")
    rungs: list[Rung] = []
    for number, own in enumerate(attempts):
        if not rungs:
            rungs.append(Rung(number, _rounded(own), True))
            continue
        before = rungs[-1]
        difference = own - attempts[before.standing]
        error = float(difference.std(ddof=1)) / len(own) ** 0.5 if len(own) > 1 else 0.0
        if float(own.mean()) < before.released - error and float(difference.mean()) < -error:
            rungs.append(Rung(number, _rounded(own), True))
        else:
            rungs.append(Rung(before.standing, before.released, False))
    return tuple(rungs)


def withheld(table: CaseTable, attempts: Sequence[Attempt]) -> dict[str, str]:
    """Return the submissions that do not stand on a public board, with the reason that is shown.

    The loss of a case is one minus its mean Dice over the regions; a missing value is a loss of 1.

    Args:
        table: Of all attempts.
        attempts: In the order of their submission; a submission that is not among them is a team's only one.

    Raises:
        TableError: An attempt is named twice, or is not in the table.
    """
    names = [attempt.submission for attempt in attempts]
    twice = sorted({name for name in names if names.count(name) > 1})
    unknown = sorted(set(names) - set(table.submissions))
    if twice or unknown:
        what = f"{twice[0]} is named twice" if twice else f"{unknown[0]} is not on the board"
        raise TableError(f"attempts: {what}; name each submission of the board once")
    dice = [metric.startswith("dice_") for metric in table.metrics]
    losses = 1 - np.nan_to_num(table.values[:, :, dice].mean(axis=2), nan=0.0)
    reasons: dict[str, str] = {}
    for team in sorted({attempt.team for attempt in attempts}):
        own = [attempt.submission for attempt in attempts if attempt.team == team]
        rungs = climb([losses[table.submissions.index(name)] for name in own])
        standing = own[rungs[-1].standing]
        for name, rung in zip(own, rungs, strict=True):
            if name != standing:
                what = "was followed by a better attempt" if rung.moved else "was no significant improvement"
                reasons[name] = f"{what} of {team}, which stands with {standing}"
    return reasons


def read_attempts(path: Path) -> list[Attempt]:
    """Read ``team,submission``, a row for each attempt in the order of their submission.

    Raises:
        TableError: The file cannot be read, or lacks a column.
    """
    frame = read_text_table(path, _MOST_BYTES)
    lacking = [name for name in ("team", "submission") if name not in frame.columns]
    if lacking:
        raise TableError(f"{path}, row 1: has no column {', '.join(lacking)}; it needs team,submission")
    rows = zip(frame["team"], frame["submission"], strict=True)
    return [Attempt(str(team).strip(), str(name).strip()) for team, name in rows]


def _rounded(losses: npt.NDArray[np.float64]) -> float:
    return round(float(losses.mean()) * len(losses)) / len(losses)
