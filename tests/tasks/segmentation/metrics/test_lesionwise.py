from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from tasks.segmentation.metrics.errors import GeometryError, LabelError, MetricError
from tasks.segmentation.metrics.lesionwise import LesionRules, RegionLesions, lesions_of_case
from tasks.segmentation.metrics.score import score_case
from tasks.segmentation.regions import REGIONS

MILLIMETRE = (1.0, 1.0, 1.0)
SHAPE = (60, 24, 24)


def cubes(*corners: tuple[int, int, int], side: int = 6, label: int = 2) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    for z, y, x in corners:
        labels[z : z + side, y : y + side, x : x + side] = label
    return labels


def whole(reference: np.ndarray, prediction: np.ndarray, **settings_: object) -> RegionLesions:
    return lesions_of_case(reference, prediction, MILLIMETRE, **settings_)["wt"]  # type: ignore[arg-type]


def test_two_lesions_one_found_one_missed_and_one_false() -> None:
    reference = cubes((2, 2, 2), (40, 2, 2))
    # The first is hit a voxel aside (180 of 216 voxels shared), the second not at all; one is invented.
    prediction = cubes((2, 2, 3), (20, 16, 16))
    found = whole(reference, prediction)
    assert [lesion.kind for lesion in found.lesions] == ["found", "missed"]
    assert [lesion.volume_mm3 for lesion in found.lesions] == [216, 216]
    assert [lesion.components for lesion in found.lesions] == [1, 0]
    assert found.lesions[0].dice == pytest.approx(180 / 216)
    assert [lesion.hd95 for lesion in found.lesions] == [1, 374]
    assert (found.false, found.false_mm3) == (1, 216)
    assert found.dice == pytest.approx((180 / 216 + 0 + 0) / 3)
    assert found.hd95 == pytest.approx((1 + 374 + 374) / 3)


def test_fragments_that_lie_close_are_one_lesion() -> None:
    # The gap of 6 voxels closes when both sides grow by 3; one of 8 does not, with a plane between.
    near, far = cubes((2, 2, 2), (14, 2, 2)), cubes((2, 2, 2), (17, 2, 2))
    assert len(whole(near, near).lesions) == 1
    assert len(whole(far, far).lesions) == 2
    assert len(whole(near, near, rules=LesionRules(dilations=2)).lesions) == 2


def test_predicted_components_that_touch_the_dilation_are_taken_together() -> None:
    reference = cubes((20, 8, 8))
    prediction = cubes((20, 8, 8))
    prediction[22] = 0  # cut in two
    prediction[28:30, 8:14, 8:14] = 2  # from the third voxel after the lesion on: in its dilation
    prediction[40:42, 8:14, 8:14] = 2  # not in it
    found = whole(reference, prediction)
    [lesion] = found.lesions
    assert (lesion.kind, lesion.components, found.false, found.false_mm3) == ("found", 3, 1, 72)
    assert lesion.dice == pytest.approx(2 * 180 / (216 + 180 + 72))


def test_small_lesions_count_for_nothing_but_are_listed() -> None:
    reference = cubes((2, 2, 2)) | cubes((30, 2, 2), side=3) | cubes((50, 2, 2), side=3)
    prediction = cubes((2, 2, 2)) | cubes((30, 2, 2), side=3)
    found = whole(reference, prediction)
    assert [lesion.kind for lesion in found.lesions] == ["found", "small", "small"]
    assert (found.dice, found.hd95, found.false) == (1, 0, 0)
    # 27 voxels of 2 mm3 are 54 mm3, above the least size.
    [wide] = [lesions_of_case(reference, prediction, (2, 1, 1))["wt"]]
    assert [lesion.kind for lesion in wide.lesions] == ["found", "found", "missed"]
    # A volume of exactly the least size does not count.
    exact = whole(reference, prediction, rules=LesionRules(least_mm3=27))
    assert [lesion.kind for lesion in exact.lesions] == ["found", "small", "small"]


def test_regions_have_lesions_of_their_own() -> None:
    reference = cubes((2, 2, 2), label=2) | cubes((30, 2, 2), label=4)
    lesions = lesions_of_case(reference, cubes((30, 2, 2), label=1), MILLIMETRE)
    assert {region: [lesion.kind for lesion in found.lesions] for region, found in lesions.items()} == {
        "wt": ["missed", "found"],
        "tc": ["found"],
        "et": ["missed"],
    }


def test_empty_cases() -> None:
    empty, full = cubes(), cubes((2, 2, 2))
    assert (whole(empty, empty).dice, whole(empty, empty).hd95) == (1, 0)
    assert (whole(empty, full).dice, whole(empty, full).hd95, whole(empty, full).false) == (0, 374, 1)
    assert (whole(full, empty).dice, whole(full, empty).hd95) == (0, 374)


def test_a_penalty_is_never_below_the_diagonal() -> None:
    assert lesions_of_case(cubes((2, 2, 2)), cubes(), (10, 10, 10))["wt"].penalty == pytest.approx(
        10 * np.sqrt(60**2 + 24**2 + 24**2)
    )


def test_one_lesion_has_the_scores_of_the_case() -> None:
    rng = np.random.default_rng(1)
    reference = cubes((20, 6, 6), side=10)
    prediction = reference * (rng.random(SHAPE) < 0.9).astype(np.uint8)
    for definition in ("pooled", "maxdir"):
        case = score_case(reference, prediction, (2, 1, 1), definition=definition)
        [lesion] = lesions_of_case(reference, prediction, (2, 1, 1), definition=definition)["wt"].lesions
        assert (lesion.dice, lesion.hd95) == pytest.approx((case["dice_wt"], case["hd95_wt"]))


def plainly(truth: np.ndarray, guess: np.ndarray, spacing: tuple[float, ...]) -> tuple[list[str], int, float]:
    """The procedure as BraTS 2023 describes it, volume by volume."""
    near, all26 = ndimage.generate_binary_structure(3, 2), ndimage.generate_binary_structure(3, 3)
    groups, number = ndimage.label(ndimage.binary_dilation(truth, near, iterations=3), all26)
    components, count = ndimage.label(guess, all26)
    kinds, dices, hit = [], [], set()
    for group in range(1, number + 1):
        own = (groups == group) & truth
        touched = set(np.unique(components[ndimage.binary_dilation(own, near, iterations=3)])) - {0}
        hit |= touched
        theirs = np.isin(components, list(touched))
        small = own.sum() * np.prod(spacing) <= 50
        kinds.append("small" if small else "found" if touched else "missed")
        if not small:
            dices.append(2 * (own & theirs).sum() / (own.sum() + theirs.sum()))
    false = count - len(hit)
    return kinds, false, sum(dices) / (len(dices) + false) if dices or false else 1.0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.6, 1.5, 2.5]), st.sampled_from([0.97, 0.995]))
def test_equals_the_plain_procedure(seed: int, smooth: float, level: float) -> None:
    rng = np.random.default_rng(seed)
    labels = []
    for _ in range(2):
        field = ndimage.gaussian_filter(rng.standard_normal((28, 30, 26)), smooth)
        labels.append(
            np.where(
                field > np.quantile(field, level), rng.choice(np.array([1, 2, 4], np.uint8), field.shape), 0
            )
        )
    reference, prediction = (volume.astype(np.uint8) for volume in labels)
    prediction = np.where(rng.random(prediction.shape) < 0.7, reference, prediction)
    lesions = lesions_of_case(reference, prediction, (2, 1, 1.5))
    for region, values in REGIONS.items():
        kinds, false, dice = plainly(np.isin(reference, values), np.isin(prediction, values), (2, 1, 1.5))
        found = lesions[region]
        assert ([lesion.kind for lesion in found.lesions], found.false) == (kinds, false)
        assert found.dice == pytest.approx(dice)


def test_what_cannot_be_compared() -> None:
    with pytest.raises(GeometryError, match="one shape"):
        lesions_of_case(cubes(), cubes()[1:], MILLIMETRE)
    with pytest.raises(LabelError, match="prediction: label 3"):
        lesions_of_case(cubes((2, 2, 2)), cubes((2, 2, 2), label=3), MILLIMETRE)
    with pytest.raises(MetricError, match="below 0"):
        LesionRules(dilations=-1)
