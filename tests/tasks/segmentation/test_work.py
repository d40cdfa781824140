from __future__ import annotations

import subprocess
import sys

import pytest

from tasks.segmentation.work import batches, batches_per_epoch

TRAINING = {"patches_per_case": 2, "batch_size": 2, "epochs": 1.0}


@pytest.mark.parametrize(
    ("cases", "patches", "size", "expected"), [(1, 1, 2, 1), (3, 1, 2, 2), (9, 2, 2, 9), (5, 3, 2, 8)]
)
def test_an_epoch_covers_every_patch(cases: int, patches: int, size: int, expected: int) -> None:
    assert batches_per_epoch(cases, {"patches_per_case": patches, "batch_size": size}) == expected


@pytest.mark.parametrize(
    ("epochs", "expected"), [(1, 9), (0.5, 5), (0.05, 1), (0.001, 1), (1.5, 14), (1.9, 17), (2, 18)]
)
def test_epochs_are_rounded_half_up_and_never_to_nothing(epochs: float, expected: int) -> None:
    assert batches(9, TRAINING | {"epochs": epochs}) == expected


def test_batches_win_over_epochs() -> None:
    assert batches(9, TRAINING | {"batches": 4}) == 4


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"epochs": float("nan")}, {"epochs": -1}, {"batches": 0}])
def test_work_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"epochs|batches"):
        batches(9, TRAINING | wrong)


def test_no_training_case_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one training case"):
        batches_per_epoch(0, TRAINING)


def test_the_clock_can_ask_without_torch() -> None:
    code = (
        "import sys, tasks.segmentation.work, tasks.segmentation.recipe;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'monai', 'SimpleITK')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
