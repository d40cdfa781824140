from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tasks.segmentation.regions import LABELS, REGIONS, label_probabilities, to_labels, to_regions

volumes = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=5), elements=st.sampled_from(LABELS)
)


def test_the_regions_are_the_challenges() -> None:
    assert REGIONS == {"wt": (1, 2, 4), "tc": (1, 4), "et": (4,)}
    assert list(REGIONS) == ["wt", "tc", "et"]


@settings(deadline=None)
@given(volumes)
def test_masks_hold_the_labels_of_their_region(labels: np.ndarray) -> None:
    masks = to_regions(labels)
    for mask, members in zip(masks, REGIONS.values(), strict=True):
        assert np.array_equal(mask, np.isin(labels, members))


@settings(deadline=None)
@given(volumes)
def test_labels_survive_the_way_through_regions(labels: np.ndarray) -> None:
    result = to_labels(to_regions(labels))
    assert result.dtype == np.uint8
    assert np.array_equal(result, labels)


@settings(deadline=None)
@given(hnp.arrays(np.bool_, (3, 3, 3, 3)))
def test_labels_of_masks_that_are_not_nested_are_nested(masks: np.ndarray) -> None:
    whole, core, enhancing = to_regions(to_labels(masks))
    assert np.array_equal(whole, masks[0])
    assert np.array_equal(core, masks[0] & masks[1])
    assert np.array_equal(enhancing, masks[0] & masks[1] & masks[2])


@settings(deadline=None)
@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(0, 1)))
def test_label_probabilities_are_probabilities(regions: np.ndarray) -> None:
    result = label_probabilities(regions)
    assert (result >= 0).all()
    assert np.allclose(result.sum(axis=0), 1)


def test_label_probabilities_of_nested_and_crossed_regions() -> None:
    nested = label_probabilities(np.array([0.9, 0.6, 0.2]))
    assert np.allclose(nested, [0.1, 0.4, 0.3, 0.2])
    # TC above WT: p2 is clipped to 0, the raw sum is .5 + .6 + 0 + .2 = 1.3.
    crossed = label_probabilities(np.array([0.5, 0.8, 0.2]))
    assert np.allclose(crossed, np.array([0.5, 0.6, 0.0, 0.2]) / 1.3)
