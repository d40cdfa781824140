"""The weighted mean against numpy, and what must hold exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fl_core.aggregation.base import SiteUpdate
from fl_core.aggregation.weighted_mean import BLOCK, WeightedMean, normalised, weighted_mean
from fl_core.errors import TensorError

FLOATS = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=0, max_dims=3), elements=st.floats(-1e6, 1e6, width=32)
)


@given(FLOATS, st.lists(st.integers(1, 1000), min_size=1, max_size=9))
def test_equal_updates_have_exactly_themselves_as_their_mean(array: np.ndarray, samples: list[int]) -> None:
    mean = weighted_mean([array] * len(samples), normalised(samples))

    assert mean.dtype == array.dtype and mean.shape == array.shape
    np.testing.assert_array_equal(mean, array)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_it_is_numpys_average(seed: int, sites: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(3, 5)).astype(np.float32) for _ in range(sites)]
    weights = normalised([int(n) for n in rng.integers(1, 100, sites)])

    expected = np.average(np.stack(arrays).astype(np.float64), axis=0, weights=weights)

    np.testing.assert_allclose(weighted_mean(arrays, weights), expected, rtol=1e-6, atol=1e-7)


def test_arrays_longer_than_a_block_and_views_without_order_are_the_same() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(2, BLOCK + 7)).astype(np.float32) for _ in range(3)]

    mean = weighted_mean([array.T for array in arrays], [0.5, 0.25, 0.25])

    expected = 0.5 * arrays[0].astype(np.float64) + 0.25 * arrays[1] + 0.25 * arrays[2]
    np.testing.assert_array_equal(mean, expected.astype(np.float32).T)


def test_dtypes_are_kept_and_integers_are_rounded_half_to_even() -> None:
    counts = [np.array([1, 2, 7], np.int64), np.array([2, 3, 7], np.int64)]
    halves = [np.array([1.0], np.float16), np.array([3.0], np.float16)]
    flags = [np.array([True, False]), np.array([True, True])]

    assert weighted_mean(counts, [0.5, 0.5]).tolist() == [2, 2, 7]
    assert weighted_mean(counts, [0.5, 0.5]).dtype == np.int64
    assert weighted_mean(halves, [0.5, 0.5]).dtype == np.float16
    assert weighted_mean(flags, [0.4, 0.6]).tolist() == [True, True]


def test_sites_without_data_weigh_the_same() -> None:
    assert normalised([0, 0]) == [0.5, 0.5]
    assert normalised([1, 3]) == [0.25, 0.75]
    with pytest.raises(TensorError, match="-1 samples"):
        normalised([2, -1])


def test_fedavg_weighs_by_data_size() -> None:
    updates = [
        SiteUpdate("a", {"w": np.float32([0, 0])}, 1),
        SiteUpdate("b", {"w": np.float32([4, 8])}, 3),
    ]

    assert WeightedMean()({"w": np.float32([9, 9])}, updates)["w"].tolist() == [3.0, 6.0]
