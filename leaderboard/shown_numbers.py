"""Whether what MLflow shows of a run is what the run's files say: metrics and tags there can be edited."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from leaderboard.errors import TableError
from leaderboard.names import mlflow_name
from leaderboard.run_folder import MOST_BYTES
from leaderboard.text_table import read_text_table

FINAL = "final_"
RECORD_DIGEST = "record_sha256"
History = Mapping[str, Sequence[tuple[int, float]]]
"""(step, value) of each metric, in any order."""

_MOST_TOLD = 10


def round_numbers(folder: Path) -> dict[str, dict[int, float]]:
    """Return the numbers of rounds.csv by column and round; empty cells are left out.

    Raises:
        TableError: The file cannot be read.
    """
    return _numbers(folder / "rounds.csv", lambda row: True)


def site_numbers(folder: Path) -> dict[str, dict[str, dict[int, float]]]:
    """Return the numbers of sites.csv by site, column and round.

    Raises:
        TableError: The file cannot be read.
    """
    path = folder / "sites.csv"
    if not path.is_file():
        return {}
    sites = sorted({str(row["site"]) for row in _rows(path) if "site" in row})
    return {site: _numbers(path, lambda row, own=site: row.get("site") == own) for site in sites}


def differences(history: History, params: Mapping[str, str], folder: Path) -> list[str]:
    """Return what is shown of a run and does not follow from its files, a line each.

    Args:
        history: Metrics of the run.
        params: Parameters of the run.
        folder: Its files, with the record.

    Raises:
        TableError: A file cannot be read.
    """
    record = _record(folder / "record.json")
    facts = record.get("facts")
    facts = facts if isinstance(facts, dict) else {}
    results = facts.get("results")
    expected = {mlflow_name(name): rows for name, rows in round_numbers(folder).items()}
    found = _differing(history, expected)
    found += _final_numbers(history, results if isinstance(results, dict) else {})
    found += _parameters(params, facts, folder / "record.json")
    return _shortened(found)


def site_differences(history: History, site: str, folder: Path) -> list[str]:
    """Return what is shown of a site and does not follow from the run's files.

    Raises:
        TableError: A file cannot be read.
    """
    numbers = site_numbers(folder).get(site)
    if numbers is None:
        return [f"site {site}: the run's files know no such site"]
    expected = {mlflow_name(name): rows for name, rows in numbers.items()}
    return _shortened([f"site {site}: {line}" for line in _differing(history, expected)])


def _differing(history: History, expected: Mapping[str, Mapping[int, float]]) -> list[str]:
    found = []
    for name in sorted(history):
        if name.startswith(FINAL):
            continue
        if name not in expected:
            found.append(f"metric {name}: does not stand in the run's files")
            continue
        for step, value in sorted(history[name]):
            right = expected[name].get(step)
            if right is None:
                found.append(f"metric {name}, round {step}: shown {value!r}, the files have none")
            elif value != right:
                found.append(f"metric {name}, round {step}: shown {value!r}, recorded {right!r}")
    return found


def _final_numbers(history: History, results: Mapping[str, Any]) -> list[str]:
    """Compare the last of each headline number; more rounds leave the earlier ones under earlier steps."""
    found = []
    recorded = {mlflow_name(f"{FINAL}{name}"): value for name, value in results.items()}
    for name in sorted(history):
        if not name.startswith(FINAL) or not history[name]:
            continue
        last = max(step for step, _ in history[name])
        right = recorded.get(name)
        for value in sorted(value for step, value in history[name] if step == last):
            if not isinstance(right, int | float):
                found.append(f"metric {name}: shown {value!r}, does not stand in the record")
            elif value != float(right):
                found.append(f"metric {name}: shown {value!r}, recorded {float(right)!r}")
    return found


def _parameters(params: Mapping[str, str], facts: Mapping[str, Any], record: Path) -> list[str]:
    owner = facts.get("submission")
    right = {"seed": facts.get("seed"), "submission": owner.get("name") if isinstance(owner, dict) else None}
    found = [
        f"parameter {name}: shown {params[name]!r}, recorded {str(value)!r}"
        for name, value in right.items()
        if name in params and params[name] != str(value)
    ]
    digests = {value for name, value in params.items() if name.split(".")[0] == RECORD_DIGEST}
    if digests and hashlib.sha256(record.read_bytes()).hexdigest() not in digests:
        found.append("the record is not the one whose digest was written when the run ended")
    return found


def _numbers(path: Path, wanted: Any) -> dict[str, dict[int, float]]:
    if not path.is_file():
        return {}
    numbers: dict[str, dict[int, float]] = defaultdict(dict)
    for row in _rows(path):
        if not wanted(row):
            continue
        try:
            step = int(row["round"])
        except (KeyError, ValueError) as error:
            raise TableError(
                f"{path}: a row has no number in the column round; is it a run's file?"
            ) from error
        for name, text in row.items():
            value = _value(text)
            if name != "round" and value is not None:
                numbers[name][step] = value
    return dict(numbers)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    frame = read_text_table(path, MOST_BYTES)
    for row in frame.to_dict("records"):
        yield {str(name): str(text).strip() for name, text in row.items()}


def _value(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _record(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise TableError(f"{path}: is larger than {MOST_BYTES >> 20} MiB; no run writes such a record")
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}  # that there is no record that can be read, its verification says
    return record if isinstance(record, dict) else {}


def _shortened(lines: list[str]) -> list[str]:
    if len(lines) <= _MOST_TOLD:
        return lines
    return [*lines[:_MOST_TOLD], f"and {len(lines) - _MOST_TOLD} more"]
