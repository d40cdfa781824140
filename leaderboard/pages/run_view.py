"""What a submission's page shows of one run: its curve, its sites at work, its own mean Dice."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np

from leaderboard.board import Entry
from leaderboard.cases import read_cases
from leaderboard.errors import TableError
from leaderboard.run_folder import MOST_BYTES, read_run
from leaderboard.text_table import read_text_table

_ARRIVED = ("ok", "deferred")


@dataclass(frozen=True)
class CurvePoint:
    """The score of the model that a round started with, at the simulated time when it did."""

    round: int
    time_s: float
    score: float


@dataclass(frozen=True)
class SiteBar:
    """A site at work in a round, simulated seconds; `lost` where nothing of it arrived."""

    round: int
    site: str
    status: str
    start_s: float
    time_s: float
    lost: bool


@dataclass(frozen=True)
class RunView:
    """One run of a submission.

    Attributes:
        seed: Of the run.
        rounds: That were played.
        scored: Its curve; rounds without a score are left out.
        bars: Its sites at work; empty for a task without rounds.
        sites: Names of the bars' sites, numbers in them in order.
        dice_mean: Mean over the hidden cases; None where none has a value.
        convergence_score: The last one.
        horizon_s: Of that score.
    """

    seed: str
    rounds: int
    scored: tuple[CurvePoint, ...]
    bars: tuple[SiteBar, ...]
    sites: tuple[str, ...]
    dice_mean: float | None
    convergence_score: float | None
    horizon_s: float | None


def view_run(entry: Entry) -> RunView:
    """Read what is shown of a verified run.

    Raises:
        TableError: A file of the run does not have the form of a run's files.
    """
    points, rounds = _curve(entry)
    bars = _bars(entry)
    table = read_cases([entry.folder / "cases.csv"])
    dice = table.values[:, :, [name.startswith("dice_") for name in table.metrics]]
    known = dice[~np.isnan(dice)]
    costs = read_run(entry.folder)
    return RunView(
        entry.seed,
        rounds,
        points,
        bars,
        tuple(sorted({bar.site for bar in bars}, key=natural)),
        float(known.mean()) if len(known) else None,
        None if costs is None else costs.convergence_score,
        None if costs is None else costs.horizon_s,
    )


def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Return the key that sorts names with numbers in them as people do.

    Example:
        >>> sorted(["s10", "s2", "b"], key=natural)
        ['b', 's2', 's10']
    """
    parts: list[tuple[bool, int, str]] = []
    for character in name:
        digit = character.isascii() and character.isdigit()
        if digit and parts and not parts[-1][0]:
            parts[-1] = (False, parts[-1][1] * 10 + int(character), "")
        else:
            parts.append((False, int(character), "") if digit else (True, 0, character))
    return tuple(parts)


def time_unit(longest_s: float) -> tuple[str, float]:
    """Return the unit in which a span is easy to read, and its seconds.

    Example:
        >>> time_unit(90.0), time_unit(604800.0)
        (('s', 1.0), ('days', 86400.0))
    """
    for name, seconds in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if longest_s > 2 * seconds:
            return name, seconds
    return "s", 1.0


def _curve(entry: Entry) -> tuple[tuple[CurvePoint, ...], int]:
    path = entry.folder / "rounds.csv"
    if not path.is_file():
        return (), 0
    points, played = [], 0
    frame = read_text_table(path, MOST_BYTES)
    for number, row in zip(frame.index, frame.to_dict("records"), strict=True):
        where = f"{path}, row {number}"
        score = str(row.get("round_score", "")).strip()
        played += row.get("status") != "final"
        if score:
            ended, took = (_number(row, name, where) for name in ("simulated_time_s", "round_time_s"))
            points.append(CurvePoint(int(_number(row, "round", where)), ended - took, float(score)))
    return tuple(points), played


def _bars(entry: Entry) -> tuple[SiteBar, ...]:
    path = entry.folder / "sites.csv"
    if not path.is_file():
        return ()
    frame = read_text_table(path, MOST_BYTES)
    bars = []
    for number, row in zip(frame.index, frame.to_dict("records"), strict=True):
        where = f"{path}, row {number}"
        if not str(row.get("time_s", "")).strip():
            continue
        status = str(row.get("status", ""))
        start, took = (_number(row, name, where) for name in ("start_s", "time_s"))
        bars.append(
            SiteBar(
                int(_number(row, "round", where)),
                str(row.get("site", "")),
                status,
                start,
                took,
                status not in _ARRIVED,
            )
        )
    return tuple(bars)


def _number(row: Mapping[Hashable, object], name: str, where: str) -> float:
    text = str(row.get(name, "")).strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise TableError(f"{where}, column {name}: {text[:40]!r} is no finite number")
    return value
