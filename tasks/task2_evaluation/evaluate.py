"""A package on a list of cases: every case gets a status and its metrics or its penalties.

The rules alone: reading, the model's process and the clock are passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from partitions.case import Case
from partitions.errors import DataError
from partitions.reader import CaseVolumes
from tasks.segmentation.metrics.errors import GeometryError
from tasks.segmentation.metrics.penalty import PENALTY_HD95
from tasks.segmentation.metrics.score import COLUMNS, penalty_row, score_case
from tasks.segmentation.metrics.surface import Definition
from tasks.segmentation.regions import LABELS
from tasks.task2_evaluation.case_input import CaseInput, Labels, case_input
from tasks.task2_evaluation.failure import Failure
from tasks.task2_evaluation.lanes.base import BadAnswer

Status = Literal["ok", "missing", "unreadable", "geometry", "labels", "timeout", "crashed"]
FaultStatus = Literal["missing", "unreadable", "geometry", "labels", "timeout", "crashed"]
Party = Literal["package", "site"]


@dataclass(frozen=True)
class Predicted:
    """A volume came back; nothing of it has been looked at."""

    volume: npt.NDArray[Any]


@dataclass(frozen=True)
class Failed:
    """No volume came back.

    Attributes:
        status: Of the case.
        reason: A line for the site; nothing in it is the package's own word once it has seen a case.
        failure: What the participant may be told.
    """

    status: FaultStatus
    reason: str
    failure: Failure


class ModelProcess(Protocol):
    """A package that runs elsewhere."""

    def predict(self, case: CaseInput, left_s: float) -> Predicted | Failed:
        """Predict a case within the process's own limits, and within `left_s` seconds in any event."""
        ...


@dataclass(frozen=True)
class CaseResult:
    """What came of a case.

    Attributes:
        case: Its id.
        status: ``ok``, or why the values are penalties.
        values: By the metric columns of cases.csv.
        reason: One line; empty where the status is ``ok``.
        at_fault: Whose fault the status tells of; a ``site`` has a case that cannot be used.
        failure: What the participant may be told of it.
        seconds: That the package had the case for, loading included where it had to be loaded.
    """

    case: str
    status: Status
    values: Mapping[str, float]
    reason: str = ""
    at_fault: Party = "package"
    failure: Failure | None = None
    seconds: float = 0.0


def evaluate(
    cases: Iterable[Case],
    read: Callable[[Case], CaseVolumes],
    model: ModelProcess,
    *,
    total_s: float,
    now: Callable[[], float],
    definition: Definition = "pooled",
) -> Iterator[CaseResult]:
    """Evaluate a package case by case, in the order given.

    Args:
        cases: The cases.
        read: Reads one with its labels.
        model: The package's process.
        total_s: Wall-clock seconds that the package may have in all, its loading included; reading and
            scoring are the site's own time.
        now: A clock in seconds that does not jump.
        definition: Of HD95.

    Yields:
        A result for every case, whatever the package does.
    """
    used = 0.0
    for number, case in enumerate(cases, start=1):
        try:
            volumes = read(case)
            labels = _reference(case, volumes)
        except (DataError, GeometryError) as error:
            yield CaseResult(case.id, "unreadable", _worst(None), f"the case itself: {error}", "site")
            continue
        if used >= total_s:
            failure = Failure("predict")
            yield CaseResult(case.id, "timeout", _worst(volumes), out_of_time(total_s), failure=failure)
            continue
        shown = case_input(volumes, number)
        began = now()
        answer = model.predict(shown, total_s - used)
        seconds = now() - began
        used += seconds
        yield judge(case.id, labels, volumes, answer, seconds, definition)


def judge(
    case: str,
    reference: Labels,
    volumes: CaseVolumes,
    answer: Predicted | Failed,
    seconds: float,
    definition: Definition = "pooled",
) -> CaseResult:
    """Return the result of a case from the package's answer.

    Args:
        case: The case's id.
        reference: Its labels.
        volumes: The case, for its spacing.
        answer: What the package made of it.
        seconds: How long that took.
        definition: Of HD95.
    """
    if isinstance(answer, Failed):
        return CaseResult(
            case, answer.status, _worst(volumes), answer.reason, failure=answer.failure, seconds=seconds
        )
    try:
        labels = checked_labels(answer.volume, reference.shape)
    except BadAnswer as error:
        failure = Failure("answer")
        return CaseResult(case, error.status, _worst(volumes), str(error), failure=failure, seconds=seconds)
    values = score_case(reference, labels, volumes.spacing, definition=definition)
    return CaseResult(case, "ok", values, seconds=seconds)


def checked_labels(volume: npt.NDArray[Any], shape: tuple[int, ...]) -> Labels:
    """Return a predicted volume as labels.

    Raises:
        BadAnswer: ``geometry``, another shape than the case's; ``labels``, a value that is not 0, 1, 2
            or 4. Neither message quotes a value.

    Example:
        >>> checked_labels(np.array([[[0.0, 4.0]]]), (1, 1, 2)).tolist()
        [[[0, 4]]]
    """
    if volume.shape != shape:
        raise BadAnswer("geometry", "the prediction has another shape than the case, (z, y, x)")
    if volume.dtype.kind not in "iuf":
        raise BadAnswer("labels", "the prediction holds no numbers; return labels as uint8")
    if not np.isin(volume, LABELS).all():
        known = ", ".join(str(label) for label in LABELS)
        raise BadAnswer("labels", f"the prediction has labels other than {known}")
    labels: Labels = volume.astype(np.uint8)
    return labels


def out_of_time(total_s: float) -> str:
    """Return the reason of a case for which no time was left."""
    return f"the package's {total_s:g} s in all were used up"


def _reference(case: Case, volumes: CaseVolumes) -> Labels:
    if volumes.labels is None:
        raise DataError(f"{case.folder}: case {case.id!r} has no labels to evaluate with")
    penalty_row(volumes.labels.shape, volumes.spacing)
    if not any(image.any() for image in volumes.images.values()):
        raise DataError(f"{case.folder}: no image of case {case.id!r} has a voxel that is not 0")
    return volumes.labels


def _worst(volumes: CaseVolumes | None) -> dict[str, float]:
    if volumes is None or volumes.labels is None:
        return {name: PENALTY_HD95 if name.startswith("hd95") else 0.0 for name in COLUMNS}
    return penalty_row(volumes.labels.shape, volumes.spacing)
