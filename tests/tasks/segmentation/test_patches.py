from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_core.seeding import generator
from tasks.segmentation.patches import CaseOutline, PatchPlan, cut, outline, plan_patches
from tasks.segmentation.regions import to_regions

PATCH = (6, 8, 10)


def case(seed: int, shape: tuple[int, int, int] = (14, 16, 18)) -> CaseOutline:
    labels = np.zeros(shape, np.uint8)
    z, y, x = np.random.default_rng(seed).integers(2, 9, 3)
    labels[z : z + 4, y : y + 4, x : x + 4] = 2
    labels[z + 1 : z + 3, y + 1 : y + 3, x + 1] = 4
    return outline(labels)


def plans(count: int, *, fraction: float = 1.0, seed: int = 0, cases: int = 3) -> list[PatchPlan]:
    return plan_patches(
        [case(i) for i in range(cases)],
        count,
        patch=PATCH,
        tumour_fraction=fraction,
        flips=(True, True, True),
        gain=0.1,
        shift=0.2,
        modalities=4,
        rng=generator(seed, "patches", "1", 0),
    )


def test_the_same_generator_plans_the_same() -> None:
    assert plans(7) == plans(7)
    assert plans(7) != plans(7, seed=1)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 23))
def test_every_case_has_its_turn(cases: int, count: int) -> None:
    seen = np.bincount([plan.case for plan in plans(count, cases=cases)], minlength=cases)
    assert seen.sum() == count
    assert seen.max() - seen.min() <= 1


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(0, 50))
def test_a_patch_lies_in_an_image_that_is_large_enough(fraction: float, seed: int) -> None:
    for plan in plans(4, fraction=fraction, seed=seed):
        assert all(0 <= s <= n - p for s, n, p in zip(plan.start, (14, 16, 18), PATCH, strict=True))
        assert all(abs(g - 1) <= 0.1 for g in plan.gain)
        assert all(abs(s) <= 0.2 for s in plan.shift)


def test_patches_on_tumour_hold_tumour_and_small_labels_as_often() -> None:
    hits = {1: 0, 2: 0, 4: 0}
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[4:30, 4:30, 4:30] = 2
    labels[34, 34, 34] = 4
    for plan in plan_patches(
        [outline(labels)],
        200,
        patch=(8, 8, 8),
        tumour_fraction=1.0,
        flips=(False, False, False),
        gain=0.0,
        shift=0.0,
        modalities=1,
        rng=np.random.default_rng(0),
    ):
        window = labels[tuple(slice(s, s + 8) for s in plan.start)]
        assert window.any()
        hits[4] += bool((window == 4).any())
        assert plan.flips == (False, False, False)
        assert plan.gain == (1.0,)
    assert 80 < hits[4] < 120


def test_cutting_takes_the_planned_voxels() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((4, 9, 9, 9), np.float32) + 1
    labels = rng.choice(np.array([0, 1, 2, 4], np.uint8), (9, 9, 9))
    plan = PatchPlan(0, (1, 2, 3), (True, False, True), (1.0, 2.0, 1.0, 1.0), (0.0, 0.5, 0.0, 0.0))
    pixels, targets = cut(image, labels, plan, (4, 4, 4))
    expected = image[:, 1:5, 2:6, 3:7][:, ::-1, :, ::-1]
    assert pixels.dtype == targets.dtype == np.float32
    assert np.array_equal(pixels[0], expected[0])
    assert np.allclose(pixels[1], expected[1] * 2 + 0.5)
    assert np.array_equal(targets, to_regions(labels)[:, 1:5, 2:6, 3:7][:, ::-1, :, ::-1])


def test_background_stays_zero_whatever_the_shift() -> None:
    image = np.zeros((2, 4, 4, 4), np.float32)
    image[:, 1, 1, 1] = 1
    plan = PatchPlan(0, (0, 0, 0), (False, False, False), (1.0, 1.0), (0.3, 0.3))
    pixels, _ = cut(image, np.zeros((4, 4, 4), np.uint8), plan, (4, 4, 4))
    assert np.count_nonzero(pixels) == 2
    assert pixels[0, 1, 1, 1] == np.float32(1.3)


def test_a_small_image_is_centred_in_the_patch() -> None:
    [plan] = plan_patches(
        [outline(np.full((3, 4, 5), 2, np.uint8))],
        1,
        patch=(7, 4, 5),
        tumour_fraction=1.0,
        flips=(False, False, False),
        gain=0.0,
        shift=0.0,
        modalities=1,
        rng=np.random.default_rng(0),
    )
    assert plan.start == (-2, 0, 0)
    pixels, targets = cut(np.ones((1, 3, 4, 5), np.float32), np.full((3, 4, 5), 4, np.uint8), plan, (7, 4, 5))
    assert pixels[0].sum(axis=(1, 2)).tolist() == [0, 0, 20, 20, 20, 0, 0]
    assert targets.sum() == 3 * 60


def test_no_cases_are_refused() -> None:
    with pytest.raises(ValueError, match="no training cases"):
        plans(1, cases=0)
