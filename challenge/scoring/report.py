"""What is written of a scored folder: cases.csv, the lesions' table and the record beside them."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from challenge.scoring.case_score import CaseScore, ScoreSettings
from tasks.segmentation.metrics.lesionwise import RegionLesions
from tasks.segmentation.metrics.score import COLUMNS, METRICS
from tasks.segmentation.regions import REGIONS
from tasks.task1_aggregation.rows import to_csv

CASE_COLUMNS = ("submission", "seed", "site", "case", "status", *COLUMNS)
LESION_COLUMNS = (
    "submission", "seed", "site", "case", "region", "kind", "volume_mm3", "components", "dice", "hd95",
)  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """Whose predictions these are: the first columns of every row."""

    submission: str
    seed: int
    site: str


def cases_csv(origin: Origin, scores: Sequence[CaseScore]) -> bytes:
    """Return cases.csv, a row a case in the order given."""
    rows = [{**asdict(origin), "case": one.case, "status": one.status, **one.values} for one in scores]
    return to_csv(CASE_COLUMNS, rows)


def lesions_csv(origin: Origin, scores: Sequence[CaseScore]) -> bytes:
    """Return the table of lesions.

    A row for each lesion of the reference (``found``, ``missed``, ``small``), and one for the false
    lesions of a region together, if there are any: ``components`` is their number, ``volume_mm3`` their
    whole volume, ``hd95`` what each of them costs. Cases with penalties have no rows.
    """
    rows = [
        {**asdict(origin), "case": one.case, "region": region, **row}
        for one in scores
        for region, found in one.lesions.items()
        for row in _lesion_rows(found)
    ]
    return to_csv(LESION_COLUMNS, rows)


def _lesion_rows(found: RegionLesions) -> Iterable[dict[str, Any]]:
    for lesion in found.lesions:
        yield asdict(lesion)
    if found.false:
        yield {
            "kind": "false",
            "volume_mm3": found.false_mm3,
            "components": found.false,
            "dice": 0.0,
            "hd95": found.penalty,
        }


def means(scores: Sequence[CaseScore]) -> dict[str, float]:
    """Return the mean of each metric over all cases, penalties included."""
    return {column: math.fsum(one.values[column] for one in scores) / len(scores) for column in COLUMNS}


def lesion_means(scores: Sequence[CaseScore]) -> dict[str, float]:
    """Return the means of lesion-wise Dice and HD95 over all cases; a case with penalties has its own."""
    found: dict[str, float] = {}
    for metric in ("dice", "hd95"):
        for region in REGIONS:
            values = [
                getattr(one.lesions[region], metric) if one.lesions else one.values[f"{metric}_{region}"]
                for one in scores
            ]
            found[f"{metric}_{region}"] = math.fsum(values) / len(values)
    return found


def table_lines(values: Mapping[str, float], metrics: Sequence[str] = METRICS) -> list[str]:
    """Return means as lines of text, a metric each.

    Example:
        >>> table_lines({"dice_wt": 0.9, "dice_tc": 0.8, "dice_et": 0.75}, ["dice"])
        ['metric              WT        TC        ET', 'dice            0.9000    0.8000    0.7500']
    """
    lines = ["metric      " + "".join(f"{region.upper():>10}" for region in REGIONS)]
    for metric in metrics:
        lines.append(
            f"{metric:<12}" + "".join(f"{values[f'{metric}_{region}']:>10.4f}" for region in REGIONS)
        )
    return lines


def status_line(scores: Sequence[CaseScore]) -> str:
    """Return how many cases have which status, ``ok`` first."""
    counts = Counter(one.status for one in scores)
    others = [f"{number} {status}" for status, number in sorted(counts.items()) if status != "ok"]
    return ", ".join([f"{counts['ok']} of {len(scores)} cases ok", *others])


def record(
    origin: Origin,
    settings: ScoreSettings,
    scores: Sequence[CaseScore],
    notes: Sequence[str],
    files: Mapping[str, bytes],
    versions: Mapping[str, str],
) -> bytes:
    """Return the JSON that stands beside cases.csv: how its numbers came about, and the reasons.

    Args:
        origin: Whose predictions these are.
        settings: How they were scored.
        scores: What came of the cases, in order.
        notes: What was done on the reader's own account.
        files: The tables by name, for their digests.
        versions: Of the libraries.
    """
    content: dict[str, Any] = {
        "schema": "score/1",
        "tables": {name: {"sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()},
        "table_schemas": {"cases": "cases/1", "lesions": "lesions/1"},
        "metrics": {"hd95": settings.definition, "lesions": settings.lesions and asdict(settings.lesions)},
        "origin": asdict(origin),
        "cases": len(scores),
        "by_status": dict(sorted(Counter(one.status for one in scores).items())),
        "means": means(scores),
        "penalised": {
            one.case: {
                "status": one.status,
                "reason": one.reason,
                "fault": "reference" if one.reference_at_fault else "prediction",
            }
            for one in scores
            if one.status != "ok"
        },
        "notes": list(notes),
        "versions": dict(versions),
    }
    if settings.lesions is not None:
        content["lesion_means"] = lesion_means(scores)
        content["lesionwise"] = {
            one.case: {region: _summary(found) for region, found in one.lesions.items()}
            for one in scores
            if one.lesions
        }
    return (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _summary(found: RegionLesions) -> dict[str, float]:
    return {
        "found": found.count("found"),
        "missed": found.count("missed"),
        "small": found.count("small"),
        "false": found.false,
        "dice": found.dice,
        "hd95": found.hd95,
    }
