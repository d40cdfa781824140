"""The rows of rounds.csv and sites.csv, and how they become text: the same row, the same bytes."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

NAN = math.nan


@dataclass(frozen=True)
class RoundRow:
    """One round. Times are simulated seconds, `round_time_s` of this round and `simulated_time_s` at its end.

    The score and the Dice values belong to the model that the round started with; NaN where the
    round was not scored. Row R, the last, scores the final model.
    """

    round: int
    status: str
    simulated_time_s: float
    round_time_s: float
    round_score: float = NAN
    dice_wt: float = NAN
    dice_tc: float = NAN
    dice_et: float = NAN
    best_score: float = NAN
    convergence_score: float = NAN
    selected: int = 0
    received: int = 0
    dropped: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class SiteRow:
    """One site in one round. `loss` and `dice_*` are of the global model before training."""

    round: int
    site: str
    status: str
    start_s: float
    time_s: float
    n_train: int
    n_validate: int
    epochs: float
    staleness: int
    bytes_down: int
    bytes_up: int
    loss: float = NAN
    dice_wt: float = NAN
    dice_tc: float = NAN
    dice_et: float = NAN


METRIC_COLUMNS = tuple(
    f"{metric}_{region}"
    for metric in ("dice", "hd95", "sensitivity", "specificity", "precision")
    for region in ("wt", "tc", "et")
)
CASE_COLUMNS = ("submission", "seed", "site", "case", "status", *METRIC_COLUMNS)


def to_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    r"""Return a CSV with a header; NaN is an empty cell, floats are written exactly (`repr`).

    Example:
        >>> to_csv(["a", "b"], [{"a": 0.1, "b": float("nan")}])
        b'a,b\n0.1,\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])
    return text.getvalue().encode()


def rows_to_csv(kind: type[RoundRow] | type[SiteRow], rows: Iterable[RoundRow | SiteRow]) -> bytes:
    """Return the CSV of dataclass rows, columns in the order of the fields."""
    return to_csv([field.name for field in fields(kind)], (asdict(row) for row in rows))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return str(value)
