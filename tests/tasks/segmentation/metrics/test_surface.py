from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_erosion, gaussian_filter, generate_binary_structure
from scipy.spatial.distance import cdist

from tasks.segmentation.metrics.errors import GeometryError, MetricError
from tasks.segmentation.metrics.surface import Definition, diagonal, hausdorff_95

MILLIMETRE = (1.0, 1.0, 1.0)


def brute_force(
    reference: np.ndarray, prediction: np.ndarray, spacing: tuple[float, ...], definition: str
) -> float:
    """Every surface voxel against every other, as the definition says it."""
    cross = generate_binary_structure(3, 1)
    points = [np.argwhere(mask ^ binary_erosion(mask, cross)) * spacing for mask in (reference, prediction)]
    table = cdist(points[0], points[1])
    there, back = table.min(axis=1), table.min(axis=0)
    if definition == "pooled":
        return float(np.percentile(np.concatenate([there, back]), 95))
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def points(*places: tuple[int, int, int], shape: tuple[int, int, int] = (24, 24, 24)) -> np.ndarray:
    mask = np.zeros(shape, np.bool_)
    for place in places:
        mask[place] = True
    return mask


@st.composite
def mask_pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    shape = draw(st.tuples(*[st.integers(1, 14)] * 3))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(2):
        smooth = draw(st.sampled_from([0.0, 0.7, 1.5]))
        field = gaussian_filter(rng.standard_normal(shape), smooth)
        mask = field > np.quantile(field, draw(st.sampled_from([0.05, 0.5, 0.9, 0.99])))
        mask[tuple(rng.integers(0, shape))] = True
        masks.append(mask)
    return masks[0], masks[1]


SPACINGS = st.one_of(st.just(MILLIMETRE), st.tuples(*[st.floats(0.05, 20, allow_nan=False)] * 3))


@settings(max_examples=150, deadline=None)
@given(mask_pairs(), SPACINGS, st.sampled_from(["pooled", "maxdir"]))
def test_equals_brute_force(
    pair: tuple[np.ndarray, np.ndarray], spacing: tuple[float, float, float], definition: Definition
) -> None:
    expected = brute_force(*pair, spacing, definition)
    assert hausdorff_95(*pair, spacing, definition=definition) == pytest.approx(expected, abs=1e-9, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(mask_pairs(), SPACINGS, st.sampled_from(["pooled", "maxdir"]))
def test_symmetric_zero_on_itself_and_scaling_with_the_spacing(
    pair: tuple[np.ndarray, np.ndarray], spacing: tuple[float, float, float], definition: Definition
) -> None:
    value = hausdorff_95(*pair, spacing, definition=definition)
    assert hausdorff_95(*pair[::-1], spacing, definition=definition) == pytest.approx(value, rel=1e-12)
    assert hausdorff_95(pair[0], pair[0], spacing, definition=definition) == 0
    doubled = tuple(2 * step for step in spacing)
    assert hausdorff_95(*pair, doubled, definition=definition) == pytest.approx(2 * value, rel=1e-12)
    mirrored = [mask[::-1, :, ::-1] for mask in pair]
    assert hausdorff_95(*mirrored, spacing, definition=definition) == pytest.approx(value, rel=1e-12)
    assert 0 <= value <= diagonal(pair[0].shape, spacing)


@settings(max_examples=30, deadline=None)
@given(arrays(np.bool_, (5, 6, 7)), st.integers(0, 9), st.integers(0, 9))
def test_background_around_the_volume_changes_nothing(mask: np.ndarray, before: int, after: int) -> None:
    other = np.roll(mask, 1, axis=2) | points((0, 0, 0), shape=(5, 6, 7))
    mask = mask | points((4, 5, 6), shape=(5, 6, 7))
    rim = ((before, after), (after, before), (before, before))
    padded = [np.pad(each, rim) for each in (mask, other)]
    assert hausdorff_95(*padded, MILLIMETRE) == hausdorff_95(mask, other, MILLIMETRE)


def test_single_voxels_at_an_offset() -> None:
    assert hausdorff_95(points((2, 2, 2)), points((5, 6, 2)), MILLIMETRE) == 5


@pytest.mark.parametrize(("axis", "distance"), [(2, 4), (1, 8), (0, 12)])
def test_four_voxels_along_x_y_z_at_spacing_1_2_3(axis: int, distance: float) -> None:
    moved = [2, 2, 2]
    moved[axis] += 4
    pair = points((2, 2, 2)), points((moved[0], moved[1], moved[2]))
    assert hausdorff_95(*pair, (3, 2, 1)) == distance


def test_plate_against_plate_with_a_bar() -> None:
    plate = np.zeros((24, 40, 40), np.bool_)
    plate[4, :20, :20] = True
    bar = plate.copy()
    bar[14, 2, 2:32] = True
    assert hausdorff_95(plate, bar, MILLIMETRE) == 0
    # The directed list of the other side holds 30 of 430 distances of about 10.
    assert hausdorff_95(plate, bar, MILLIMETRE, definition="maxdir") == 10


def test_a_point_against_two() -> None:
    pair = points((0, 0, 0)), points((0, 0, 0), (0, 0, 10))
    assert hausdorff_95(*pair, MILLIMETRE) == pytest.approx(9.0, abs=1e-12)
    assert hausdorff_95(*pair, MILLIMETRE, definition="maxdir") == pytest.approx(9.5, abs=1e-12)


def test_empty_masks() -> None:
    empty = points()
    assert hausdorff_95(empty, empty, MILLIMETRE) == 0
    assert hausdorff_95(empty[:0], empty[:0], MILLIMETRE) == 0
    for pair in ((empty, points((1, 1, 1))), (points((1, 1, 1)), empty)):
        for definition in ("pooled", "maxdir"):
            value = hausdorff_95(*pair, (1, 2, 3), definition=definition)
            assert value == pytest.approx(24 * math.sqrt(14))


@pytest.mark.parametrize("spacing", [MILLIMETRE, (2.5, 0.7, 1.1), (6.0, 0.5, 0.5)])
def test_equals_medpy_on_larger_masks(spacing: tuple[float, float, float]) -> None:
    medpy = pytest.importorskip("medpy.metric.binary")
    rng = np.random.default_rng(17)
    z, y, x = np.ogrid[:40, :56, :48]
    masks = []
    for centre, radius in (((20, 28, 24), 11), ((22, 27, 26), 12)):
        distance = np.sqrt((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
        masks.append(distance + gaussian_filter(rng.standard_normal((40, 56, 48)), 2) * 15 < radius)
    far = masks[1].copy()
    far[:6, :9, :9] = True
    brain = (z - 20) ** 2 + (y - 28) ** 2 + (x - 24) ** 2 < 19**2
    for prediction in (masks[1], far, brain, brain ^ far):
        expected = medpy.hd95(prediction, masks[0], voxelspacing=spacing)
        assert hausdorff_95(masks[0], prediction, spacing) == pytest.approx(expected, abs=1e-9)


def test_diagonal_of_the_brats_grid() -> None:
    assert diagonal((155, 240, 240), MILLIMETRE) == pytest.approx(373.128664, abs=5e-7)
    assert diagonal((2, 3, 4), (3, 2, 1)) == pytest.approx(math.sqrt(36 + 36 + 16))


@pytest.mark.parametrize("spacing", [(1, 1), (1, 0, 1), (1, -1, 1), (1, math.nan, 1), (math.inf, 1, 1)])
def test_a_spacing_that_is_none(spacing: tuple[float, ...]) -> None:
    with pytest.raises(GeometryError, match="three positive lengths"):
        hausdorff_95(points((0, 0, 0)), points((0, 0, 1)), spacing)


def test_arrays_and_definitions_that_are_none() -> None:
    mask = points((0, 0, 0))
    with pytest.raises(GeometryError, match="one shape"):
        hausdorff_95(mask, mask[1:], MILLIMETRE)
    with pytest.raises(MetricError, match="boolean"):
        hausdorff_95(mask, mask.astype(np.uint8), MILLIMETRE)
    with pytest.raises(MetricError, match="pooled or maxdir"):
        hausdorff_95(mask, mask, MILLIMETRE, definition="average")  # type: ignore[arg-type]
