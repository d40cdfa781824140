from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.segmentation.metrics.errors import GeometryError, LabelError
from tasks.segmentation.metrics.score import COLUMNS, penalty_row, score_case
from tasks.segmentation.metrics.surface import Definition, hausdorff_95
from tasks.segmentation.regions import REGIONS

MILLIMETRE = (1.0, 1.0, 1.0)
BRATS = (155, 240, 240)
BRATS_DIAGONAL = pytest.approx(373.128664, abs=5e-7)


def volume(shape: tuple[int, int, int] = (24, 24, 24), **boxes: tuple[slice, ...]) -> np.ndarray:
    labels = np.zeros(shape, np.uint8)
    for name, box in boxes.items():
        labels[box] = int(name.removeprefix("label_"))
    return labels


def box(start: int, stop: int) -> tuple[slice, slice, slice]:
    return (slice(start, stop),) * 3


def test_columns_are_those_of_the_cases_table() -> None:
    assert ",".join(COLUMNS) == (
        "dice_wt,dice_tc,dice_et,hd95_wt,hd95_tc,hd95_et,sensitivity_wt,sensitivity_tc,sensitivity_et,"
        "specificity_wt,specificity_tc,specificity_et,precision_wt,precision_tc,precision_et"
    )
    assert tuple(score_case(volume(), volume(), MILLIMETRE)) == COLUMNS
    assert tuple(penalty_row(BRATS, MILLIMETRE)) == COLUMNS


def test_a_cube_against_itself_shifted_by_one() -> None:
    reference = volume(label_4=box(4, 14))
    scores = score_case(reference, np.roll(reference, 1, axis=2), MILLIMETRE)
    for region in REGIONS:
        assert scores[f"dice_{region}"] == pytest.approx(0.9)
        assert scores[f"hd95_{region}"] == 1
        assert scores[f"sensitivity_{region}"] == scores[f"precision_{region}"] == pytest.approx(0.9)
        assert scores[f"specificity_{region}"] == pytest.approx(1 - 100 / (24**3 - 1000))


def test_single_voxels_at_an_offset() -> None:
    reference = volume(label_1=(slice(2, 3), slice(2, 3), slice(2, 3)))
    scores = score_case(reference, np.roll(reference, (3, 4), axis=(2, 1)), MILLIMETRE)
    assert (scores["dice_wt"], scores["hd95_wt"]) == (0, 5)
    assert (scores["dice_tc"], scores["hd95_tc"]) == (0, 5)
    assert (scores["dice_et"], scores["hd95_et"]) == (1, 0)


def test_an_empty_reference_on_the_brats_grid() -> None:
    scores = score_case(volume(BRATS), volume(BRATS, label_4=box(60, 70)), MILLIMETRE)
    for region in REGIONS:
        assert scores[f"dice_{region}"] == 0
        assert scores[f"hd95_{region}"] == BRATS_DIAGONAL
        assert scores[f"sensitivity_{region}"] == scores[f"precision_{region}"] == 0
        assert scores[f"specificity_{region}"] == pytest.approx(0.999888, abs=5e-7)


def test_an_empty_prediction() -> None:
    scores = score_case(volume(label_2=box(6, 9)), volume(), (1, 2, 2))
    assert scores["dice_wt"] == scores["sensitivity_wt"] == scores["precision_wt"] == 0
    assert scores["specificity_wt"] == 1
    assert scores["hd95_wt"] == pytest.approx(24 * 3)
    assert scores["dice_et"] == scores["sensitivity_et"] == scores["precision_et"] == 1
    assert (scores["specificity_et"], scores["hd95_et"]) == (1, 0)


def test_labels_1_and_2_swapped() -> None:
    reference = volume(BRATS, label_2=box(50, 60))
    scores = score_case(reference, volume(BRATS, label_1=box(50, 60)), MILLIMETRE)
    assert [scores[f"dice_{region}"] for region in REGIONS] == [1, 0, 1]
    assert [scores[f"hd95_{region}"] for region in REGIONS] == [0, BRATS_DIAGONAL, 0]


def test_both_empty_is_perfect() -> None:
    scores = score_case(volume(), volume(), MILLIMETRE)
    assert {value for name, value in scores.items() if not name.startswith("hd95")} == {1.0}
    assert {value for name, value in scores.items() if name.startswith("hd95")} == {0.0}


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(*[st.floats(0.2, 9)] * 3),
    st.sampled_from([0.05, 0.5, 0.98]),
    st.sampled_from(["pooled", "maxdir"]),
)
def test_each_region_has_the_distance_of_its_masks(
    seed: int, spacing: tuple[float, float, float], background: float, definition: Definition
) -> None:
    rng = np.random.default_rng(seed)
    chances = [background, *[(1 - background) / 3] * 3]
    shape = tuple(rng.integers(1, 14, 3))
    reference, prediction = rng.choice(np.array([0, 1, 2, 4], np.uint8), (2, *shape), p=chances)
    scores = score_case(reference, prediction, spacing, definition=definition)
    for region, labels in REGIONS.items():
        masks = np.isin(reference, labels), np.isin(prediction, labels)
        expected = hausdorff_95(*masks, spacing, definition=definition)
        assert scores[f"hd95_{region}"] == pytest.approx(expected, abs=1e-9)


def test_the_penalty_of_a_missing_prediction() -> None:
    row = penalty_row(BRATS, MILLIMETRE)
    assert {value for name, value in row.items() if name.startswith("hd95")} == {374.0}
    assert {value for name, value in row.items() if not name.startswith("hd95")} == {0.0}
    assert penalty_row(BRATS, (2, 2, 2))["hd95_tc"] == pytest.approx(2 * 373.128664, abs=2e-6)


def test_inputs_that_cannot_be_scored() -> None:
    with pytest.raises(GeometryError, match="one shape"):
        score_case(volume(), volume((24, 24, 23)), MILLIMETRE)
    with pytest.raises(GeometryError, match="one shape"):
        score_case(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8), MILLIMETRE)
    with pytest.raises(GeometryError, match="three positive"):
        score_case(volume(), volume(), (1, 1, 0))
    with pytest.raises(LabelError, match="prediction: label 3"):
        score_case(volume(label_1=box(1, 4)), volume(label_3=box(1, 4)), MILLIMETRE)
