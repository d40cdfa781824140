"""What the folder of a run tells the leaderboard beside its cases: costs, convergence, horizon.

Its formats are the run folder's own (``record.json``, ``rounds.csv``, ``sites.csv``); nothing is verified
here, that is what ``challenge verify`` is for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboard.errors import TableError
from leaderboard.text_table import read_text_table

RECORD_SCHEMA = "record/1"
MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class SiteCosts:
    """What a run cost one of its sites.

    Attributes:
        simulated_time_s: Sum of the site's simulated times over the rounds.
        bytes: Both ways.
    """

    simulated_time_s: float
    bytes: int


@dataclass(frozen=True)
class RunCosts:
    """What a run cost, and how fast it converged; None for what its folder does not tell.

    Attributes:
        source: The folder, as errors name it.
        submission: The one submission of its cases.
        seed: Of the run, as in its cases.
        horizon_s: Of the convergence score, simulated seconds.
        convergence_score: The last one.
        simulated_time_s: At the end of the last round.
        bytes: That all sites sent and received.
        wall_s: Time that the run took.
        peak_memory_bytes: Largest resident memory.
        sites: Costs by site.
    """

    source: str
    submission: str
    seed: str
    horizon_s: float | None
    convergence_score: float | None
    simulated_time_s: float | None
    bytes: int | None
    wall_s: float | None
    peak_memory_bytes: float | None
    sites: Mapping[str, SiteCosts]


def read_run(folder: Path) -> RunCosts | None:
    """Return what a run's folder tells; None if it is no run of one submission and seed, or has no record.

    Raises:
        TableError: A file of the folder cannot be read as what it should be; the message names it.
    """
    facts = _facts(folder / "record.json")
    owners = {(row["submission"], row["seed"]) for row in _rows(folder / "cases.csv", "submission", "seed")}
    if facts is None or len(owners) != 1:
        return None
    (submission, seed) = next(iter(owners))
    rounds = list(_rows(folder / "rounds.csv", "simulated_time_s", "convergence_score", "bytes"))
    scores = [row["convergence_score"] for row in rounds if row["convergence_score"].strip()]
    return RunCosts(
        str(folder),
        submission,
        seed,
        _fact(facts, "horizon_s"),
        _number(scores[-1], folder / "rounds.csv") if scores else None,
        _number(rounds[-1]["simulated_time_s"], folder / "rounds.csv") if rounds else None,
        sum(_count(row["bytes"], folder / "rounds.csv") for row in rounds) if rounds else None,
        _fact(facts, "wall_s"),
        _fact(facts, "peak_memory_bytes"),
        _site_costs(folder / "sites.csv"),
    )


def _facts(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > MOST_BYTES:
            raise TableError(f"{path}: is larger than {MOST_BYTES >> 20} MiB; no run writes such a record")
        record = json.loads(path.read_bytes())
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (ValueError, RecursionError) as error:
        raise TableError(f"{path}: is no record ({error}); see `challenge verify`") from error
    facts = record.get("facts") if isinstance(record, dict) else None
    if not isinstance(facts, dict) or record.get("schema") != RECORD_SCHEMA:
        raise TableError(f"{path}: is not of the schema {RECORD_SCHEMA}; see `challenge verify`")
    return facts


def _fact(facts: Mapping[str, Any], name: str) -> float | None:
    value = facts.get(name)
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if number and value is not None else None


def _site_costs(path: Path) -> dict[str, SiteCosts]:
    times: dict[str, float] = {}
    moved: dict[str, int] = {}
    for row in _rows(path, "site", "time_s", "bytes_down", "bytes_up"):
        site = row["site"]
        times[site] = times.get(site, 0.0) + (_number(row["time_s"], path) if row["time_s"].strip() else 0.0)
        moved[site] = moved.get(site, 0) + _count(row["bytes_down"], path) + _count(row["bytes_up"], path)
    return {site: SiteCosts(times[site], moved[site]) for site in sorted(times)}


def _rows(path: Path, *columns: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV; nothing for a file that is not there."""
    if not path.is_file():
        return
    frame = read_text_table(path, MOST_BYTES)
    lacking = [name for name in columns if name not in frame.columns]
    if lacking:
        raise TableError(f"{path}: has no column {', '.join(lacking)}; is it a run's own file?")
    for values in zip(*(frame[name] for name in columns), strict=True):
        yield dict(zip(columns, map(str, values), strict=True))


def _number(text: str, path: Path) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise TableError(f"{path}: {text[:40]!r} is no finite number")
    return value


def _count(text: str, path: Path) -> int:
    return int(_number(text, path)) if text.strip() else 0
