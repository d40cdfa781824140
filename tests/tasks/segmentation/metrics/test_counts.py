from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.segmentation.metrics.counts import Counts, count_regions, overlay
from tasks.segmentation.metrics.errors import GeometryError, LabelError, MetricError
from tasks.segmentation.regions import REGIONS

LABELS = st.sampled_from([0, 0, 0, 1, 2, 4])


@st.composite
def label_pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    # Widths of 1 to 17 cover every word size of the bounding box.
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 17)))
    volume = arrays(np.uint8, shape, elements=LABELS, fill=st.just(0))
    return draw(volume), draw(volume)


@settings(max_examples=60, deadline=None)
@given(label_pairs())
def test_counts_are_those_of_masks_over_the_whole_volume(pair: tuple[np.ndarray, np.ndarray]) -> None:
    reference, prediction = pair
    for region, counts in count_regions(reference, prediction).items():
        real, predicted = np.isin(reference, REGIONS[region]), np.isin(prediction, REGIONS[region])
        assert counts == Counts(
            int((real & predicted).sum()),
            int((~real & predicted).sum()),
            int((real & ~predicted).sum()),
            int((~real & ~predicted).sum()),
        )


@settings(max_examples=60, deadline=None)
@given(label_pairs())
def test_codes_hold_every_labelled_voxel(pair: tuple[np.ndarray, np.ndarray]) -> None:
    reference, prediction = pair
    codes = overlay(reference, prediction).codes
    for bit, labels in enumerate(REGIONS.values()):
        assert (codes >> bit & 1).sum() == np.isin(reference, labels).sum()
        assert (codes >> (bit + 3) & 1).sum() == np.isin(prediction, labels).sum()


@settings(max_examples=60, deadline=None)
@given(label_pairs())
def test_swapping_the_volumes_swaps_the_errors(pair: tuple[np.ndarray, np.ndarray]) -> None:
    forward, backward = count_regions(*pair), count_regions(*pair[::-1])
    for region in REGIONS:
        assert forward[region].dice == backward[region].dice
        assert forward[region].sensitivity == backward[region].precision
        assert forward[region].false_positive == backward[region].false_negative


def test_the_ratios_of_one_region() -> None:
    counts = Counts(true_positive=6, false_positive=2, false_negative=4, true_negative=88)
    assert counts.dice == pytest.approx(12 / 18)
    assert counts.sensitivity == pytest.approx(0.6)
    assert counts.precision == pytest.approx(0.75)
    assert counts.specificity == pytest.approx(88 / 90)


@pytest.mark.parametrize(
    ("counts", "scores"),
    [
        (Counts(0, 0, 0, 10), (1, 1, 1, 1)),
        (Counts(0, 0, 4, 6), (0, 0, 0, 1)),
        (Counts(0, 4, 0, 6), (0, 0, 0, 0.6)),
        (Counts(10, 0, 0, 0), (1, 1, 1, 1)),
    ],
)
def test_empty_regions(counts: Counts, scores: tuple[float, ...]) -> None:
    assert (counts.dice, counts.sensitivity, counts.precision, counts.specificity) == scores


@pytest.mark.parametrize("label", [3, 5, 6, 7, 8, 255])
@pytest.mark.parametrize("which", [0, 1])
def test_another_label_is_named(label: int, which: int) -> None:
    volumes = [np.ones((3, 4, 8), np.uint8), np.ones((3, 4, 8), np.uint8)]
    volumes[which][1, 2, 3] = label
    with pytest.raises(LabelError, match=f"{('reference', 'prediction')[which]}: label {label} is not"):
        count_regions(*volumes)


def test_wide_integers_are_labels_too_but_never_wrap() -> None:
    labels = np.array([[[0, 1, 2, 4]]], np.int64)
    assert count_regions(labels, labels.astype(np.uint16))["wt"].true_positive == 3
    for wrong in (257, -1, 2**40):
        labels[0, 0, 0] = wrong
        with pytest.raises(LabelError, match=f"label {wrong} is not"):
            count_regions(labels, labels)


def test_non_contiguous_volumes_count_the_same() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.choice(np.array([0, 1, 2, 4], np.uint8), (2, 6, 8, 10))
    assert count_regions(first.T, second.T) == count_regions(first.T.copy(), second.T.copy())


def test_arrays_that_are_no_labels() -> None:
    volume = np.zeros((2, 3, 4), np.uint8)
    with pytest.raises(GeometryError, match="one shape"):
        count_regions(volume, np.zeros((2, 3, 5), np.uint8))
    with pytest.raises(GeometryError, match="one shape"):
        count_regions(volume[0], volume[0])
    with pytest.raises(MetricError, match="float32; store them as integers"):
        count_regions(volume, volume.astype(np.float32))
