"""The report of a benchmark: each case against a reference that was measured in the same run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LEAST_REFERENCE = 1e-9
"""Stands for a reference of zero, so that the ratio is always a number."""


@dataclass(frozen=True)
class Measurement:
    """One case.

    Attributes:
        case: Its name, once in a report.
        value: What was measured, a median where there were several.
        unit: Of value and reference.
        reference: What it is compared with: a floor, a peer or a target.
        reference_value: The reference's own value.

    Raises:
        ValueError: A value is not a finite number.
    """

    case: str
    value: float
    unit: str
    reference: str
    reference_value: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and math.isfinite(self.reference_value)):
            raise ValueError(
                f"benchmark case {self.case}: {self.value} against {self.reference_value} {self.unit}; "
                "both must be finite numbers"
            )

    @property
    def ratio(self) -> float:
        """``value / reference_value``; a reference of zero counts as `LEAST_REFERENCE`.

        Example:
            >>> Measurement("mean", 3.0, "s", "floor", 2.0).ratio
            1.5
        """
        return self.value / (self.reference_value or LEAST_REFERENCE)


def document(name: str, machine: Mapping[str, Any], cases: Sequence[Measurement]) -> dict[str, Any]:
    """Return the report as plain values.

    Raises:
        ValueError: Two cases have one name.
    """
    names = [case.case for case in cases]
    twice = sorted({case for case in names if names.count(case) > 1})
    if twice:
        raise ValueError(f"benchmark {name}: case {twice[0]} stands twice")
    return {
        "name": name,
        "machine": dict(machine),
        "cases": [{**asdict(case), "ratio": case.ratio} for case in cases],
    }


def write_json(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
