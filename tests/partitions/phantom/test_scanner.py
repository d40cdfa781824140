import numpy as np
import pytest

from partitions.phantom.case import PhantomCase
from partitions.phantom.federation import Scanner
from partitions.phantom.grid import grid_at
from partitions.phantom.scanner import scan

GRID = grid_at(8.0)
MASK = np.zeros(GRID.shape, dtype=bool)
MASK[4:20, 5:25, 4:20] = True
IMAGES = np.where(MASK, np.float32(0.5), np.float32(0.0))[None].repeat(4, axis=0)
CLEAN = Scanner((1000.0,) * 4, (1.0,) * 4, bias=0.0, noise=0.0, blur_mm=0.0)


def scanned(scanner: Scanner, seed: int = 0) -> np.ndarray:
    return scan(np.random.default_rng(seed), GRID, IMAGES, MASK, scanner)


def test_background_is_zero_and_brain_is_not() -> None:
    stored = scanned(Scanner(noise=0.2))
    assert stored.dtype == np.int16
    assert (stored[:, ~MASK] == 0).all()
    assert (stored[:, MASK] >= 1).all()


def test_a_clean_scanner_only_sets_the_units() -> None:
    stored = scanned(CLEAN)
    assert all(len(np.unique(image[MASK])) == 1 for image in stored)
    assert stored[:, MASK].mean() == pytest.approx(500.0, rel=0.2)


def test_noise_of_the_stated_size() -> None:
    noisy = scanned(Scanner(CLEAN.gain, CLEAN.gamma, bias=0.0, noise=0.04, blur_mm=0.0))
    relative = noisy[0][MASK].std() / noisy[0][MASK].mean()
    assert relative == pytest.approx(0.04 / 0.5, rel=0.1)


def test_bias_is_smooth_and_of_the_stated_size() -> None:
    biased = scanned(Scanner(CLEAN.gain, CLEAN.gamma, bias=0.2, noise=0.0, blur_mm=0.0))
    logarithm = np.log(biased[1][4:20, 5:25, 4:20].astype(float))
    assert 0.05 < logarithm.std() < 0.4
    assert np.abs(np.diff(logarithm, axis=1)).max() < 0.15


def test_institutions_look_different(default_cases: dict[str, list[PhantomCase]]) -> None:
    brightness = {
        name: np.array([case.images[:, case.images[0] > 0].mean(axis=1) for case in cases])
        for name, cases in default_cases.items()
    }
    means = np.array([values.mean(axis=0) for values in brightness.values()])
    within = np.array([values.std(axis=0) / values.mean(axis=0) for values in brightness.values()])
    between = means.std(axis=0) / means.mean(axis=0)
    assert (between > 2.0 * within.mean(axis=0)).all()
