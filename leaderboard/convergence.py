"""Convergence scores of Task 1: how fast each submission learned, and over which horizon that was counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaderboard.errors import TableError
from leaderboard.text_table import read_text_table

MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Convergence:
    """Convergence scores of one horizon.

    Attributes:
        scores: By submission, the mean over its seeds; NaN where a seed's score is missing.
        horizon_s: Simulated seconds, None where no source told.
    """

    scores: Mapping[str, float]
    horizon_s: float | None


def read_convergence(
    paths: Sequence[Path], horizons: Mapping[str, float | None] | None = None
) -> Convergence:
    """Read convergence files: ``submission,convergence_score[,seed][,horizon_s]``.

    Args:
        paths: CSV files; an empty score is a missing one.
        horizons: What else is known of horizons, by what errors should name: records of runs, say.

    Raises:
        TableError: A file cannot be read, a column is missing, a score is no number, a submission and seed
            stand twice, or horizons differ. The message names file, row and column.
    """
    rows: dict[tuple[str, str], tuple[float, str]] = {}
    told: dict[str, float | None] = dict(horizons or {})
    for path in paths:
        _read(path, rows, told)
    collected: dict[str, list[float]] = {}
    for (submission, _), (score, _) in sorted(rows.items()):
        collected.setdefault(submission, []).append(score)
    return Convergence({name: float(np.mean(own)) for name, own in collected.items()}, one_horizon(told))


def one_horizon(horizons: Mapping[str, float | None]) -> float | None:
    """Return the horizon that all sources agree on, None if none of them tells.

    Areas over different spans are different quantities: they cannot be ranked against each other.

    Example:
        >>> one_horizon({"run a": 604800.0, "run b": 604800.0, "a file": None})
        604800.0

    Raises:
        TableError: Two sources differ.
    """
    known = {source: horizon for source, horizon in horizons.items() if horizon is not None}
    if not known:
        return None
    first, expected = next(iter(known.items()))
    for source, horizon in known.items():
        if horizon != expected:
            raise TableError(
                f"convergence scores of different horizons cannot be ranked together: {first} has "
                f"{expected:g} s, {source} {horizon:g} s; repeat one of the runs with the other's horizon_s"
            )
    return expected


def _read(path: Path, rows: dict[tuple[str, str], tuple[float, str]], told: dict[str, float | None]) -> None:
    frame = read_text_table(path, MOST_BYTES)
    for column in ("submission", "convergence_score"):
        if column not in frame.columns:
            raise TableError(
                f"{path}, row 1: has no column {column}; it needs submission,convergence_score[,seed]"
            )
    for number, row in zip(frame.index, frame.to_dict("records"), strict=True):
        where = f"{path}, row {number}"
        submission = str(row["submission"]).strip()
        if not submission:
            raise TableError(f"{where}, column submission: is empty; fill it in")
        key = submission, str(row.get("seed", "")).strip()
        if key in rows:
            raise TableError(f"{where}: submission {submission} and its seed stand already in {rows[key][1]}")
        rows[key] = _number(row["convergence_score"], where, "convergence_score"), where
        if str(row.get("horizon_s", "")).strip():
            told[where] = _number(row["horizon_s"], where, "horizon_s")


def _number(text: object, where: str, column: str) -> float:
    stripped = str(text).strip()
    if stripped.lower() in ("", "nan"):
        return float("nan")
    try:
        value = float(stripped)
    except ValueError:
        value = float("inf")
    if not np.isfinite(value):
        raise TableError(f"{where}, column {column}: {stripped[:40]!r} is no finite number; write one")
    return value
