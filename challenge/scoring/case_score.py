"""Scores one case from its two files; whatever is wrong with them becomes a status and a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from challenge.scoring.mask_file import UnreadableMask, WrongLabels, read_grid, read_labels
from challenge.scoring.pairing import Pair
from partitions.reader import Geometry, geometry_differences
from tasks.segmentation.metrics.errors import GeometryError, LabelError
from tasks.segmentation.metrics.lesionwise import LesionRules, RegionLesions, lesions_of_case
from tasks.segmentation.metrics.penalty import PENALTY_HD95
from tasks.segmentation.metrics.score import COLUMNS, penalty_row, score_case
from tasks.segmentation.metrics.surface import Definition

Status = Literal["ok", "missing", "unreadable", "geometry", "labels", "timeout", "crashed"]


@dataclass(frozen=True)
class ScoreSettings:
    """How cases are scored.

    Attributes:
        definition: Of HD95.
        lesions: What a lesion is; None for no lesion-wise report.
    """

    definition: Definition = "pooled"
    lesions: LesionRules | None = None


@dataclass(frozen=True)
class CaseScore:
    """What came of a case.

    Attributes:
        case: Its id.
        status: ``ok``, or why the values are penalties.
        values: By the metric columns of cases.csv.
        reason: One line; empty where the status is ``ok``.
        reference_at_fault: Whether the status tells of the reference and not of the prediction.
        lesions: By region, where a lesion-wise report was asked for and the status is ``ok``.
    """

    case: str
    status: Status
    values: Mapping[str, float]
    reason: str = ""
    reference_at_fault: bool = False
    lesions: Mapping[str, RegionLesions] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """As much of a reference's geometry as a penalty needs: shape in voxels and spacing in mm, (z, y, x)."""

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]


def score_pair(
    pair: Pair, settings: ScoreSettings, told: Callable[[Grid], None] = lambda grid: None
) -> CaseScore:
    """Read and score a case.

    Args:
        pair: Its files.
        settings: How it is scored.
        told: Called with the reference's grid as soon as it is known, before the prediction is opened.
    """
    try:
        grid = read_grid(pair.reference)
        reference = read_labels(pair.reference, grid, pair.naming)
        penalty_row(grid.shape, grid.spacing)
    except (UnreadableMask, GeometryError) as error:
        return penalised(pair.case, "unreadable", f"the reference {error}", None, reference_at_fault=True)
    except WrongLabels as error:
        return penalised(pair.case, "labels", f"the reference {error}", _of(grid), reference_at_fault=True)
    told(_of(grid))
    fault = _not_one(pair)
    if fault is not None:
        return penalised(pair.case, *fault, _of(grid))
    path = pair.predictions[0]
    try:
        own = read_grid(path)
        differences = geometry_differences(grid, own)
        if differences:
            what = " and ".join(differences)
            line = f"{path}: {what} differ from the reference's; resample it to the same grid"
            return penalised(pair.case, "geometry", line, _of(grid))
        prediction = read_labels(path, own, pair.naming, either=True)
        values = score_case(reference, prediction, grid.spacing, definition=settings.definition)
        lesions: Mapping[str, RegionLesions] = {}
        if settings.lesions is not None:
            lesions = lesions_of_case(
                reference, prediction, grid.spacing, rules=settings.lesions, definition=settings.definition
            )
    except UnreadableMask as error:
        return penalised(pair.case, "unreadable", str(error), _of(grid))
    except WrongLabels as error:
        return penalised(pair.case, "labels", str(error), _of(grid))
    except LabelError as error:
        at_fault = str(error).startswith("reference")
        file = pair.reference if at_fault else path
        reason = f"{'the reference ' if at_fault else ''}{file}: {str(error).split(': ', 1)[1]}"
        return penalised(pair.case, "labels", reason, _of(grid), reference_at_fault=at_fault)
    return CaseScore(pair.case, "ok", values, lesions=lesions)


def penalised(
    case: str, status: Status, reason: str, grid: Grid | None, *, reference_at_fault: bool = False
) -> CaseScore:
    """Return the penalties of a case without a usable prediction; without a grid HD95 is 374 mm."""
    if grid is None:
        values = {name: PENALTY_HD95 if name.startswith("hd95") else 0.0 for name in COLUMNS}
    else:
        values = penalty_row(grid.shape, grid.spacing)
    return CaseScore(case, status, values, reason, reference_at_fault)


def _of(grid: Geometry) -> Grid:
    return Grid(grid.shape, grid.spacing)


def _not_one(pair: Pair) -> tuple[Status, str] | None:
    if not pair.predictions:
        return "missing", f"there is no prediction {pair.case}.nii.gz"
    if len(pair.predictions) > 1:
        names = " and ".join(path.name for path in pair.predictions)
        return "unreadable", f"{pair.predictions[0].parent}: holds {names}; which one is meant is not clear"
    return None
