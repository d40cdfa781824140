import numpy as np

from partitions.phantom import anatomy
from partitions.phantom.distractors import Distractors, draw_distractors
from partitions.phantom.grid import Grid, grid_at


def drawn(seed: int) -> tuple[Distractors, anatomy.Brain, np.ndarray, Grid]:
    grid = grid_at(4.0)
    warp = anatomy.draw_warp(np.random.default_rng(seed), grid)
    brain = anatomy.build_brain(
        anatomy.load_template(grid), grid, warp, np.array([20.0, 0.0, 30.0]), 25.0, 0.2
    )
    part = grid.part(brain.box)
    z, y, x = part.axes()
    lesion = ((z - 20.0) ** 2 + y**2 + (x - 30.0) ** 2 < 20.0**2) & brain.mask
    return draw_distractors(np.random.default_rng(seed), part, brain, lesion), brain, lesion, part


def test_they_are_fractions_outside_the_lesion() -> None:
    extras, brain, lesion, _ = drawn(0)
    for part in (extras.contrast, extras.hyperintense):
        assert part.min() >= 0.0
        assert part.max() <= 1.0
        assert (part[lesion] == 0).all()
        assert (part[~brain.mask] == 0).all()


def test_as_much_contrast_outside_as_a_rim_would_take_up() -> None:
    for seed in range(3):
        extras, _, _, grid = drawn(seed)
        assert 10.0 < (extras.contrast > 0.5).sum() * grid.voxel_ml < 150.0


def test_hyperintensities_lie_in_white_matter() -> None:
    extras, brain, _, _ = drawn(1)
    assert extras.hyperintense.sum() > 0
    assert np.average(brain.white, weights=extras.hyperintense) > 0.6
