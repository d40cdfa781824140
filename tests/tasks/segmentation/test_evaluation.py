from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tasks.segmentation.evaluation import case_row, hard_dice, label_distances, means, soft_label_dice
from tasks.segmentation.metrics.score import COLUMNS
from tasks.segmentation.regions import LABELS, to_regions

pairs = hnp.arrays(np.uint8, (2, 3, 4, 3), elements=st.sampled_from(LABELS))


def test_hard_dice_by_hand() -> None:
    reference = np.array([[[4, 4, 1, 2, 0, 0]]], np.uint8)
    prediction = np.array([[[4, 1, 1, 0, 2, 0]]], np.uint8)
    scores = hard_dice(reference, prediction)
    assert scores["dice_wt"] == pytest.approx(2 * 3 / (4 + 4))
    assert scores["dice_tc"] == pytest.approx(1.0)
    assert scores["dice_et"] == pytest.approx(2 * 1 / (2 + 1))
    assert scores["dice"] == pytest.approx((0.75 + 1 + 2 / 3) / 3)


@settings(deadline=None)
@given(pairs)
def test_hard_dice_is_that_of_the_case_scores(volumes: np.ndarray) -> None:
    row = case_row("a", volumes[0], volumes[1], (1.0, 1.0, 1.0))
    scores = hard_dice(volumes[0], volumes[1])
    assert [row[f"dice_{region}"] for region in ("wt", "tc", "et")] == pytest.approx(
        [scores[f"dice_{region}"] for region in ("wt", "tc", "et")]
    )
    assert list(row) == ["case", "status", *COLUMNS]
    assert (row["case"], row["status"]) == ("a", "ok")


@settings(deadline=None)
@given(pairs)
def test_soft_dice_of_certain_regions_is_the_hard_one_per_label(volumes: np.ndarray) -> None:
    reference, prediction = volumes
    scores = soft_label_dice(reference, to_regions(prediction).astype(np.float64), outside=0)
    for label in LABELS:
        a, b = reference == label, prediction == label
        hard = 2 * (a & b).sum() / (a.sum() + b.sum()) if (a | b).any() else 1.0
        assert scores[f"valid_dice_per_label_{label}"] == pytest.approx(hard, abs=1e-6)
    assert scores["valid_dice"] == pytest.approx(
        np.mean([scores[f"valid_dice_per_label_{label}"] for label in LABELS])
    )


def test_soft_dice_by_hand_counts_the_background_outside_the_crop() -> None:
    labels = np.array([[[0, 2]]], np.uint8)
    regions = np.array([[[[0.2, 0.6]]], [[[0.0, 0.0]]], [[[0.0, 0.0]]]])
    scores = soft_label_dice(labels, regions, outside=8)
    # p0 = .8, .4, and 8 voxels of 1; g0 = 1, 0 and 8 of 1.
    assert scores["valid_dice_per_label_0"] == pytest.approx(2 * 8.8 / (9.2 + 9))
    assert scores["valid_dice_per_label_2"] == pytest.approx(2 * 0.6 / (0.8 + 1))
    assert scores["valid_dice_per_label_4"] == pytest.approx(1.0)


def test_distances_per_label_are_in_millimetres() -> None:
    reference, prediction = np.zeros((2, 8, 8, 8), np.uint8)
    reference[2, 2, 2] = prediction[4, 2, 2] = 4
    distances = label_distances(reference, prediction, (3.0, 1.0, 1.0))
    assert distances["valid_hd95_per_label_4"] == pytest.approx(6.0)
    assert distances["valid_hd95_per_label_1"] == 0.0


def test_a_mean_over_no_cases_is_refused() -> None:
    with pytest.raises(ValueError, match="no cases"):
        means([])
