"""Smooth random fields: coarse noise raised to the full grid by cubic B-splines.

Smoothing white noise at full size costs most of a case's time; four weighted copies along each axis
give a field of the same kind for a fraction of it. They are summed in a fixed order and without a
matrix library, whose results depend on its number of threads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from partitions.phantom.grid import Grid

Field = NDArray[np.float32]


def smooth_field(rng: np.random.Generator, grid: Grid, length_mm: float) -> Field:
    """Return a random field of standard deviation 1 that varies over `length_mm`.

    Args:
        rng: Where the field's coarse noise comes from.
        grid: The grid to fill.
        length_mm: Distance of the coarse knots; details are about this large.

    Returns:
        float32 array of the grid's shape (z, y, x).
    """
    step = grid.spacing / length_mm
    knots = [int((count - 1) * step) + 4 for count in grid.shape]
    field: Field = rng.standard_normal(knots, dtype=np.float32)
    for axis in (2, 1, 0):
        field = _raise(field, axis, grid.shape[axis], step)
    field /= np.float32(max(float(field.std()), 1e-6))
    return field


def _raise(coarse: Field, axis: int, count: int, step: float) -> Field:
    """Evaluate the uniform cubic B-spline along an axis at `count` points that lie `step` knots apart."""
    position = np.arange(count) * step
    first = position.astype(int)
    t = position - first
    taps = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    along = [-1 if other == axis else 1 for other in range(3)]
    raised = np.float32(0.0)
    for offset, weight in enumerate(taps):
        weights = (weight / 6.0).astype(np.float32).reshape(along)
        raised = raised + np.take(coarse, first + offset, axis=axis) * weights
    return np.asarray(raised, dtype=np.float32)
