"""A finished run on the board in MLflow: parameters, rounds, a child run for each site, files, the record."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from leaderboard.board import RECORD, Entry
from leaderboard.shown_numbers import FINAL, RECORD_DIGEST, round_numbers, site_numbers


class Sink(Protocol):
    """What a run is told to; a `Tracker` is one."""

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Write parameters once."""

    def log_round(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of one round."""

    def log_site(self, site: str, rounds: Mapping[int, Mapping[str, float]]) -> None:
        """Log the metrics of one site in a run below this one."""

    def log_artifacts(self, folder: Path) -> None:
        """Upload the run's files."""


def post_entry(sink: Sink, entry: Entry, results: Mapping[str, Any]) -> None:
    """Tell everything about a verified run.

    Args:
        sink: Of that run.
        entry: The run.
        results: Headline numbers of its record.

    Raises:
        TableError: A file of the run cannot be read.
    """
    sink.log_params(
        {
            "submission": entry.submission,
            "seed": entry.seed,
            "submission_digest": entry.submission_digest,
            "cases_sha256": entry.cases_sha256,
            "signer": entry.signer,
        }
    )
    rounds = by_round(round_numbers(entry.folder))
    for step, metrics in rounds.items():
        sink.log_round(step, metrics)
    numbers = {
        f"{FINAL}{name}": float(value)
        for name, value in results.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
    if numbers:
        sink.log_round(max(rounds, default=0), numbers)
    post_folder(sink, entry.folder)


def post_folder(sink: Sink, folder: Path) -> None:
    """Tell what a run's folder holds: its sites, its record's digest, its files.

    Raises:
        TableError: A file of the run cannot be read.
    """
    for site, numbers in site_numbers(folder).items():
        sink.log_site(site, by_round(numbers))
    record = hashlib.sha256((folder / RECORD).read_bytes()).hexdigest()
    # Parameters are written once: a run that got more rounds has another record, and both digests stay.
    sink.log_params({f"{RECORD_DIGEST}.{record[:8]}": record})
    sink.log_artifacts(folder)


def by_round(numbers: Mapping[str, Mapping[int, float]]) -> dict[int, dict[str, float]]:
    """Turn numbers by column and round into numbers by round and column.

    Example:
        >>> by_round({"loss": {0: 0.5, 1: 0.25}, "dice": {1: 0.7}})
        {0: {'loss': 0.5}, 1: {'loss': 0.25, 'dice': 0.7}}
    """
    rounds: dict[int, dict[str, float]] = {}
    for name, values in numbers.items():
        for step, value in values.items():
            rounds.setdefault(step, {})[name] = value
    return dict(sorted(rounds.items()))
