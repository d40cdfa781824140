import numpy as np
import pytest

from partitions.errors import DataError
from partitions.phantom import anatomy
from partitions.phantom.case import PhantomCase
from partitions.phantom.grid import grid_at

GRID = grid_at(8.0)


def brain_of(seed: int, push: float) -> anatomy.Brain:
    template = anatomy.load_template(GRID)
    warp = anatomy.draw_warp(np.random.default_rng(seed), GRID)
    return anatomy.build_brain(template, GRID, warp, np.array([20.0, 10.0, 30.0]), 25.0, push)


def test_tissues_are_fractions_of_the_brain() -> None:
    brain = brain_of(0, 0.2)
    for part in (brain.grey, brain.white, brain.fluid):
        assert part.min() >= 0.0
        assert part.max() <= 1.001
        assert (part[~brain.mask] == 0).all()
    total = (brain.grey + brain.white + brain.fluid)[brain.mask]
    assert total.mean() == pytest.approx(1.0, abs=0.02)


def test_brains_have_a_human_size(default_cases: dict[str, list[PhantomCase]]) -> None:
    for case in (case for cases in default_cases.values() for case in cases):
        assert 1300 < (case.images[0] > 0).sum() * case.grid.voxel_ml < 2600
        edge = np.concatenate([np.take(case.images[0], [0, -1], axis=axis).ravel() for axis in range(3)])
        assert (edge == 0).mean() > 0.99


def test_a_mass_pushes_tissue_away_but_only_near_it() -> None:
    still, pushed = brain_of(1, 0.0), brain_of(1, 0.3)
    assert still.box == pushed.box
    part = GRID.part(still.box)
    z, y, x = part.axes()
    far = (z - 20.0) ** 2 + (y - 10.0) ** 2 + (x - 30.0) ** 2 > 75.0**2
    assert np.allclose(still.white[far], pushed.white[far], atol=0.02)
    assert np.abs(still.white - pushed.white).max() > 0.2


def test_no_two_heads_are_alike() -> None:
    first, second = brain_of(0, 0.2), brain_of(1, 0.2)
    assert first.mask.shape != second.mask.shape or (first.mask != second.mask).mean() > 0.01


def test_the_template_point_comes_back() -> None:
    warp = anatomy.draw_warp(np.random.default_rng(3), GRID)
    point = np.array([12.0, -30.0, 25.0])
    assert np.allclose(warp.matrix @ anatomy.to_case(warp, point) + warp.shift, point)


def test_missing_maps_say_where_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anatomy, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install nilearn"):
        anatomy.load_template(grid_at(11.0))
