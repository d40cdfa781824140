import numpy as np
import pytest

from partitions.phantom.fields import smooth_field
from partitions.phantom.grid import grid_at


def correlation(field: np.ndarray, steps: int) -> float:
    return float(np.corrcoef(field[steps:].ravel(), field[:-steps].ravel())[0, 1])


@pytest.mark.parametrize("length", [9.0, 24.0, 90.0])
def test_unit_variance_at_any_length(length: float) -> None:
    field = smooth_field(np.random.default_rng(1), grid_at(3.0), length)
    assert field.shape == (64, 80, 64)
    assert field.dtype == np.float32
    assert field.std() == pytest.approx(1.0, abs=1e-3)


def test_a_field_varies_over_its_length() -> None:
    field = smooth_field(np.random.default_rng(2), grid_at(3.0), 15.0)
    assert correlation(field, 1) > 0.9
    assert abs(correlation(field, 20)) < 0.25


def test_the_generator_alone_decides() -> None:
    grid = grid_at(8.0)
    first, again, other = (smooth_field(np.random.default_rng(seed), grid, 20.0) for seed in (5, 5, 6))
    assert (first == again).all()
    assert not np.allclose(first, other)
