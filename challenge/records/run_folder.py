"""Reading of a finished run's folder: its cases, its convergence score, its settings."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from challenge.records.compare import METRICS, Case
from challenge.records.errors import ComparisonError
from challenge.records.record import read_facts


def read_scores(run_folder: Path) -> dict[Case, dict[str, float]]:
    """Return the metrics of every test case of the one submission in ``cases.csv``.

    A case that was scored with several seeds has the mean over them.

    Returns:
        Metric values by (site, case); an empty cell is absent.

    Raises:
        ComparisonError: There is no such file or column, it holds several submissions, a case stands
            twice, or a cell is not a number.
    """
    path = run_folder / "cases.csv"
    repeats: dict[Case, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    submissions: set[str] = set()
    seen: set[tuple[str, str, str]] = set()
    for line, row in _rows(path, ("submission", "seed", "site", "case")):
        submissions.add(row["submission"])
        key = (row["seed"], row["site"], row["case"])
        if len(submissions) == 1 and key in seen:
            raise ComparisonError(
                f"{path}, line {line}: site {key[1]}, case {key[2]} stands twice for seed {key[0]}"
            )
        seen.add(key)
        values = repeats[(row["site"], row["case"])]
        for metric in METRICS:
            if row.get(metric):
                values[metric].append(_number(row[metric], f"{path}, line {line}, {metric}"))
    if len(submissions) > 1:
        raise ComparisonError(
            f"{path} holds {len(submissions)} submissions ({', '.join(sorted(submissions))}); "
            "runs of one submission can be compared"
        )
    return {
        case: {metric: float(np.mean(values)) for metric, values in metrics.items()}
        for case, metrics in repeats.items()
    }


def read_convergence(run_folder: Path) -> float | None:
    """Return the last convergence score of ``rounds.csv``; None for a run without rounds or a score.

    Raises:
        ComparisonError: A cell is not a number, or the column is missing.
    """
    path = run_folder / "rounds.csv"
    if not path.exists():
        return None
    last = None
    for line, row in _rows(path, ("convergence_score",)):
        if row["convergence_score"]:
            last = _number(row["convergence_score"], f"{path}, line {line}, convergence_score")
    return last


def read_settings(run_folder: Path) -> dict[str, Any]:
    """Return ``config.yaml``, flattened to dotted names.

    Raises:
        ComparisonError: The file is missing or not a YAML map.
    """
    import yaml

    path = run_folder / "config.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ComparisonError(
            f"{path} cannot be read ({error.strerror}); give a finished run's folder"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ComparisonError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ComparisonError(f"{path} is not a map of settings")
    return dict(_flatten(content, ""))


def read_horizon(run_folder: Path) -> float | None:
    """Return the convergence score's horizon in simulated seconds, from the record, else the settings.

    Raises:
        ComparisonError: The settings cannot be read.
        RecordError: The record cannot be read.
    """
    horizon = read_facts(run_folder).get("horizon_s")
    if horizon is None:
        settings = read_settings(run_folder)
        named = [value for name, value in settings.items() if name.split(".")[-1] == "horizon_s"]
        horizon = named[0] if len(named) == 1 else None
    return float(horizon) if isinstance(horizon, int | float) else None


def differing(a: dict[str, Any], b: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return (name, value in A, value in B) of each setting that differs; ``-`` where it is absent.

    Example:
        >>> differing({"seed": 1, "rounds": 5}, {"seed": 2, "rounds": 5})
        [('seed', '1', '2')]
    """
    names = sorted({*a, *b})
    return [
        (name, str(a.get(name, "-")), str(b.get(name, "-")))
        for name in names
        if (name in a) != (name in b) or a.get(name) != b.get(name)
    ]


def _flatten(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _flatten(part, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _rows(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, row) of a CSV file that has the `needed` columns."""
    try:
        text = path.read_text(encoding="utf-8", errors="strict")
    except OSError as error:
        raise ComparisonError(
            f"{path} cannot be read ({error.strerror}); give a finished run's folder"
        ) from error
    except UnicodeDecodeError as error:
        raise ComparisonError(f"{path} is not UTF-8 text (byte {error.start})") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise ComparisonError(f"{path} lacks the column {missing[0]}")
    for row in reader:
        if None in row or None in row.values():
            raise ComparisonError(
                f"{path}, line {reader.line_num}: as many cells as the header has are needed"
            )
        yield reader.line_num, row


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise ComparisonError(f"{where}: {text!r} is not a number") from error
    if math.isinf(value):
        raise ComparisonError(f"{where}: an infinite value cannot be compared")
    return value
