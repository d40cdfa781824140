from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import binary_erosion, generate_binary_structure

from tasks.segmentation.metrics.borders import Borders, borders, nonzero_places

MILLIMETRE = (1.0, 1.0, 1.0)
SPACINGS = [MILLIMETRE, (3.0, 1.0, 1.0), (6.0, 0.5, 0.5), (0.9, 1.3, 2.2), (1e-3, 1.0, 1e3)]


def steps(found: Borders, offset: int) -> tuple[int, int, int]:
    """Take a flat offset apart, each part of the smallest size possible."""
    _, height, width = found.shape
    x = (offset + width // 2) % width - width // 2
    y = ((offset - x) // width + height // 2) % height - height // 2
    return (offset - x - y * width) // (width * height), y, x


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=9)), st.sampled_from(SPACINGS))
def test_surfaces_are_masks_without_their_erosion(
    codes: np.ndarray, spacing: tuple[float, float, float]
) -> None:
    found = borders(codes, spacing)
    rim = (np.array(found.shape) - codes.shape) // 2
    for mask in range(8):
        volume = (codes >> mask & 1).astype(bool)
        surface = volume ^ binary_erosion(volume, generate_binary_structure(3, 1))
        positions = found.points(found.places[found.on(mask)])
        np.testing.assert_allclose(positions, (np.argwhere(surface) + rim) * spacing, rtol=1e-12)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_shells_are_ascending_and_complete(spacing: tuple[float, float, float]) -> None:
    found = borders(np.ones((30, 30, 30), np.uint8), spacing)
    listed = {steps(found, int(offset)) for _, offsets in found.shells for offset in offsets}
    lengths = [length for length, _ in found.shells]
    assert lengths == sorted(set(lengths))
    for length, offsets in found.shells:
        for offset in offsets:
            parts = steps(found, int(offset))
            assert math.dist(
                (0, 0, 0), [n * s for n, s in zip(parts, spacing, strict=True)]
            ) == pytest.approx(length)
    around = itertools.product(range(-10, 11), repeat=3)
    nearer = {
        parts
        for parts in around
        if math.hypot(*(n * s for n, s in zip(parts, spacing, strict=True))) < lengths[-1] * (1 - 1e-12)
    }
    assert nearer - {(0, 0, 0)} <= listed
    assert len(listed) == sum(len(offsets) for _, offsets in found.shells)


@settings(max_examples=50, deadline=None)
@given(
    arrays(
        np.uint8, st.integers(0, 9).map(lambda words: 8 * words), elements=st.sampled_from([0, 0, 0, 1, 255])
    )
)
def test_places_that_are_not_zero(flat: np.ndarray) -> None:
    assert nonzero_places(flat).tolist() == np.flatnonzero(flat).tolist()
