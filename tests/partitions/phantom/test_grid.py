import numpy as np
import pytest

from partitions.errors import DataError
from partitions.phantom.grid import grid_at


def test_the_default_grid() -> None:
    grid = grid_at(3.0)
    assert grid.shape == (64, 80, 64)
    assert grid.voxel_ml == pytest.approx(0.027)


@pytest.mark.parametrize("spacing", [2.0, 3.0, 5.0, 8.0])
def test_every_spacing_covers_the_same_space(spacing: float) -> None:
    grid = grid_at(spacing)
    for axis, low, high in zip(grid.axes(), (-90.0, -104.0, -96.0), (102.0, 136.0, 96.0), strict=True):
        assert axis.min() - spacing / 2 == pytest.approx(low, abs=spacing)
        assert axis.max() + spacing / 2 == pytest.approx(high, abs=spacing)


def test_a_part_keeps_its_place() -> None:
    grid = grid_at(3.0)
    part = grid.part((slice(4, 10), slice(0, 5), slice(60, 64)))
    assert part.shape == (6, 5, 4)
    for whole, piece, start in zip(grid.axes(), part.axes(), (4, 0, 60), strict=True):
        assert np.allclose(whole.ravel()[start : start + piece.size], piece.ravel())


@pytest.mark.parametrize("spacing", [0.5, 20.0, float("nan")])
def test_a_spacing_out_of_range_is_refused(spacing: float) -> None:
    with pytest.raises(DataError, match=r"between 1\.0 and 12\.0 mm"):
        grid_at(spacing)
