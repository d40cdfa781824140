"""The rules: every case gets a status, whatever the model's process answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from partitions.case import Case
from partitions.errors import DataError
from partitions.reader import CaseVolumes
from tasks.segmentation.metrics.score import COLUMNS, penalty_row, score_case
from tasks.task2_evaluation.case_input import CaseInput
from tasks.task2_evaluation.evaluate import CaseResult, Failed, Predicted, checked_labels, evaluate
from tasks.task2_evaluation.failure import Failure
from tasks.task2_evaluation.lanes.base import BadAnswer

SHAPE = (4, 5, 6)
SPACING = (2.0, 1.0, 1.0)
TRUTH = np.zeros(SHAPE, np.uint8)
TRUTH[1:3, 1:3, 1:3] = 4
Answer = Predicted | Failed


def volumes(labels: np.ndarray[Any, Any] | None = TRUTH, value: float = 1.0) -> CaseVolumes:
    images = {name: np.full(SHAPE, value, np.float32) for name in ("t1", "t1ce", "t2", "flair")}
    return CaseVolumes(images, labels, SPACING, (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1, 0, 0, 0, 1))


class Scripted:
    """Answers in turn, each after so many seconds."""

    def __init__(self, answers: Sequence[tuple[Answer, float]]) -> None:
        self.answers = list(answers)
        self.time = 100.0
        self.seen: list[tuple[CaseInput, float]] = []

    def now(self) -> float:
        return self.time

    def predict(self, case: CaseInput, left_s: float) -> Answer:
        self.seen.append((case, left_s))
        answer, seconds = self.answers.pop(0)
        self.time += seconds
        return answer


def run(
    model: Scripted, names: str, read: Callable[[Case], CaseVolumes] | None = None, total_s: float = 100
) -> list[CaseResult]:
    cases = [Case(name, Path(name), {}) for name in names]
    return list(evaluate(cases, read or (lambda case: volumes()), model, total_s=total_s, now=model.now))


def test_a_prediction_is_scored_and_its_time_kept() -> None:
    guess = TRUTH.copy()
    guess[0] = 2
    (result,) = run(Scripted([(Predicted(guess.astype(np.int64)), 3.0)]), "a")

    assert result.status == "ok" and result.reason == "" and result.failure is None
    assert result.values == score_case(TRUTH, guess, SPACING) and result.values["dice_et"] == 1.0
    assert result.seconds == 3.0


def test_the_model_sees_neither_labels_nor_the_patients_name() -> None:
    model = Scripted([(Predicted(TRUTH), 1.0)] * 2)
    run(model, "ab")

    assert [case.name for case, _ in model.seen] == ["case-0001", "case-0002"]
    assert set(vars(model.seen[0][0])) == {"name", "images", "spacing", "origin", "direction"}
    assert set(model.seen[0][0].images) == {"t1", "t1ce", "t2", "flair"}


@pytest.mark.parametrize(
    ("volume", "status"),
    [
        (np.zeros((4, 5, 5), np.uint8), "geometry"),
        (np.zeros((6, 5, 4), np.uint8), "geometry"),
        (np.zeros((0,), np.uint8), "geometry"),
        (np.zeros((), np.uint8), "geometry"),
        (np.full(SHAPE, 3, np.uint8), "labels"),
        (np.full(SHAPE, -1, np.int8), "labels"),
        (np.full(SHAPE, 257, np.int16), "labels"),
        (np.full(SHAPE, 0.5), "labels"),
        (np.full(SHAPE, np.nan), "labels"),
        (np.zeros(SHAPE, bool), "labels"),
        (np.zeros(SHAPE, np.complex64), "labels"),
    ],
)
def test_a_wrong_volume_has_penalties_and_the_next_case_goes_on(volume: Any, status: str) -> None:
    first, second = run(Scripted([(Predicted(volume), 1.0), (Predicted(TRUTH), 1.0)]), "ab")

    assert first.status == status and first.reason and first.at_fault == "package"
    assert first.values == penalty_row(SHAPE, SPACING)
    assert first.failure == Failure("answer")
    assert second.status == "ok"


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float32, np.float64, np.float16])
def test_labels_may_be_of_any_type_that_holds_them(dtype: Any) -> None:
    labels = checked_labels(TRUTH.astype(dtype), SHAPE)

    assert labels.dtype == np.uint8 and (labels == TRUTH).all()


def test_no_message_quotes_a_value_of_the_prediction() -> None:
    with pytest.raises(BadAnswer) as caught:
        checked_labels(np.full(SHAPE, 173, np.uint8), SHAPE)

    assert "173" not in str(caught.value)


@pytest.mark.parametrize("status", ["missing", "unreadable", "geometry", "labels", "timeout", "crashed"])
def test_a_failure_keeps_its_status_and_reason(status: Any) -> None:
    failed = Failed(status, "why", Failure("predict", "KeyError"))
    (result,) = run(Scripted([(failed, 2.0)]), "a")

    assert (result.status, result.reason, result.failure) == (status, "why", failed.failure)
    assert result.values == penalty_row(SHAPE, SPACING) and set(result.values) == set(COLUMNS)


def test_the_time_in_all_ends_and_the_rest_are_timeouts() -> None:
    model = Scripted([(Predicted(TRUTH), 6.0), (Predicted(TRUTH), 5.0)])
    results = run(model, "abcd", total_s=10.0)

    assert [one.status for one in results] == ["ok", "ok", "timeout", "timeout"]
    assert [left for _, left in model.seen] == [10.0, 4.0]
    assert results[3].reason == "the package's 10 s in all were used up"


def test_reading_is_the_sites_own_time() -> None:
    model = Scripted([(Predicted(TRUTH), 4.0)] * 2)

    def slow(case: Case) -> CaseVolumes:
        model.time += 1000.0
        return volumes()

    assert [one.status for one in run(model, "ab", slow, total_s=10.0)] == ["ok", "ok"]


@pytest.mark.parametrize("fault", ["unreadable", "no labels", "empty"])
def test_a_case_that_cannot_be_used_is_the_sites_fault(fault: str) -> None:
    def read(case: Case) -> CaseVolumes:
        if case.id == "b":
            return volumes()
        if fault == "unreadable":
            raise DataError("a_t1.nii.gz: is cut short")
        return volumes(None) if fault == "no labels" else volumes(value=0.0)

    model = Scripted([(Predicted(TRUTH), 1.0)])
    first, second = run(model, "ab", read)

    assert (first.status, first.at_fault, first.failure) == ("unreadable", "site", None)
    assert first.values["hd95_wt"] == 374.0 and first.values["dice_wt"] == 0.0
    assert second.status == "ok" and len(model.seen) == 1
