"""Healthy or harmless structures that look like parts of a lesion in one modality.

Without them one threshold on T1ce would find the enhancing rim. Vessels, sinuses, dura and plexus
take up contrast; white-matter hyperintensities shine in FLAIR and T2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partitions.phantom.anatomy import Brain, Mask
from partitions.phantom.fields import Field, smooth_field
from partitions.phantom.grid import Grid

_STEP_MM = 1.5


@dataclass(frozen=True)
class Distractors:
    """Fractions of a voxel in [0, 1], shape (z, y, x).

    Attributes:
        contrast: What takes up contrast agent without being tumour.
        hyperintense: White-matter hyperintensities.
    """

    contrast: Field
    hyperintense: Field


def draw_distractors(rng: np.random.Generator, grid: Grid, brain: Brain, lesion: Mask) -> Distractors:
    """Draw a case's vessels, dura, plexus and white-matter hyperintensities, none inside the lesion."""
    from scipy import ndimage

    inner = ndimage.distance_transform_edt(brain.mask, sampling=grid.spacing).astype(np.float32)
    z, _, x = grid.axes()
    patchy = smooth_field(rng, grid, 22.0)
    shell = np.clip(1.6 - inner / max(3.0, grid.spacing), 0, 1) * (patchy > rng.uniform(0.3, 1.0))
    midline = np.clip(1.5 - np.abs(x) / 4.0, 0, 1) * np.clip(2.0 - inner / 5.0, 0, 1) * (z > 5.0)
    plexus = brain.fluid * np.clip((inner - 24.0) / 6.0, 0, 1) * (smooth_field(rng, grid, 12.0) > 0.3)
    vessels = _vessels(rng, grid, inner, count=int(rng.integers(24, 40)))
    contrast = np.maximum(np.maximum(0.9 * shell, midline), np.maximum(0.8 * plexus, vessels))

    spots = smooth_field(rng, grid, 9.0) + 0.6 * smooth_field(rng, grid, 30.0)
    near_fluid = ndimage.gaussian_filter(brain.fluid * (inner > 20.0), 5.0 / grid.spacing)
    burden = rng.uniform(1.5, 2.4)
    hyperintense = np.clip(2.0 * (spots + 6.0 * near_fluid - burden), 0, 1) * brain.white * (inner > 8.0)

    outside = brain.mask & ~lesion
    return Distractors(
        np.where(outside, contrast, 0.0).astype(np.float32),
        np.where(outside, hyperintense, 0.0).astype(np.float32),
    )


def _vessels(rng: np.random.Generator, grid: Grid, inner: Field, count: int) -> Field:
    """Return tubes that wander through the outer centimetres of the brain."""
    from scipy import ndimage

    starts = np.argwhere((inner > 2.0) & (inner < 18.0))
    steps = int(70.0 / _STEP_MM)
    place = starts[rng.integers(0, len(starts), count)] * grid.spacing
    course = rng.standard_normal((count, 3))
    turns = rng.standard_normal((steps, count, 3))
    weight = rng.uniform(0.6, 1.6, count)
    path = np.empty((steps, count, 3))
    for step in range(steps):
        course = course + 0.28 * turns[step]
        course /= np.linalg.norm(course, axis=1, keepdims=True)
        place = place + _STEP_MM * course
        path[step] = place
    index = np.rint(path.reshape(-1, 3) / grid.spacing).astype(int)
    valid = np.all((index >= 0) & (index < np.array(grid.shape)), axis=1)
    density: NDArray[np.float32] = np.zeros(grid.shape, dtype=np.float32)
    amount = np.tile(weight, steps)[valid] * _STEP_MM / grid.spacing
    np.add.at(density, tuple(index[valid].T), amount.astype(np.float32))
    sigma = 1.6 / grid.spacing
    blurred = ndimage.gaussian_filter(density, sigma)
    tube: Field = 1.0 - np.exp(-blurred * np.float32(2.2 * 2.0 * np.pi * max(sigma, 0.4) ** 2))
    return tube
