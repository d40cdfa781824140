from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from tasks.segmentation.metrics.tail import Side, ordered


def cloud(rng: np.random.Generator, size: int, spread: float, spacing: np.ndarray) -> np.ndarray:
    """Points on a grid, as voxels are: many distances are equal."""
    return np.rint(rng.normal(0, spread, (size, 3))) * spacing


@st.composite
def some_sides(draw: st.DrawFn) -> list[Side]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spacing = np.array(draw(st.sampled_from([(1.0, 1.0, 1.0), (3.0, 0.7, 1.1)])))
    sides = []
    for _ in range(draw(st.integers(1, 2))):
        queries = cloud(rng, draw(st.sampled_from([1, 7, 300, 900])), draw(st.sampled_from([2, 30])), spacing)
        targets = cloud(rng, draw(st.sampled_from([1, 50, 400])), draw(st.sampled_from([1, 9])), spacing)
        sides.append(Side(queries + draw(st.sampled_from([0, 60])), targets))
    return sides


@settings(max_examples=60, deadline=None)
@given(some_sides(), st.floats(0, 1), st.booleans())
def test_equals_sorting_every_distance(sides: list[Side], share: float, apart: bool) -> None:
    expected = np.sort(np.concatenate([cdist(s.queries, s.targets).min(axis=1) for s in sides]))
    rank = int(share * (len(expected) - 1))
    ranks = rank, min(rank + apart, len(expected) - 1)
    assert ordered(sides, ranks, 0.7) == pytest.approx(expected[list(ranks)], rel=1e-12, abs=1e-12)


class Counted(Side):
    asked = 0

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        type(self).asked += len(points)
        return super().nearest(points)


def test_most_distances_are_never_computed() -> None:
    line = np.stack([np.arange(20_000) % 100, np.arange(20_000) // 100, np.zeros(20_000)], axis=1)
    side = Counted(line.astype(np.float64), np.zeros((1, 3)))
    low, high = ordered([side], (18_000, 18_001), 1.0)
    expected = np.sort(np.hypot(line[:, 0], line[:, 1]))
    assert (low, high) == pytest.approx((expected[18_000], expected[18_001]))
    assert 0 < Counted.asked < 2_000


def test_a_few_near_queries_of_many_targets_are_not_computed() -> None:
    rng = np.random.default_rng(8)
    sheet = np.stack([np.zeros(40_000), np.arange(40_000) // 200, np.arange(40_000) % 200], axis=1)
    far = Side(sheet + [50.0, 0, 0] + rng.integers(0, 30, (40_000, 1)) * [1, 0, 0], sheet)

    class Untouched(Side):
        def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            raise AssertionError("its distances lie far below the rank")

    near = Untouched(sheet[:300:3] + np.array([2.0, 0, 0]), sheet)
    low, high = ordered([far, near], (38_000, 38_001), 1.0)
    expected = np.sort(np.concatenate([far.queries[:, 0], near.queries[:, 0]]))
    assert (low, high) == pytest.approx((expected[38_000], expected[38_001]))


def test_spacings_that_differ_by_orders_of_magnitude() -> None:
    rng = np.random.default_rng(4)
    spacing = np.array([1e-3, 1.0, 1e3])
    queries, targets = cloud(rng, 900, 30, spacing), cloud(rng, 300, 9, spacing)
    expected = np.sort(cdist(queries, targets).min(axis=1))
    for rank in (10, 450, 890):
        assert ordered([Side(queries, targets)], (rank, rank + 1), 1e-3) == pytest.approx(
            expected[[rank, rank + 1]], rel=1e-12, abs=1e-12
        )
