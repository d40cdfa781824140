"""Which of a few ascending values is nearest, for many elements at once."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from fl_core.compression.exponent import Floats

_BLOCK: Final = 1 << 16
_BINS: Final = 4096
_FEW: Final = 4
_MOST_CORRECTIONS: Final = 4
_LARGEST: Final = 1e18
"""Boundaries beyond it, or closer together than its inverse, would overflow the bins' arithmetic."""


def midpoints(levels: Floats) -> Floats:
    """Return what lies halfway between neighbours."""
    # Halves first: the sum of two large levels would overflow.
    between: Floats = levels[1:] / np.float32(2) + levels[:-1] / np.float32(2)
    return between


class Boundaries:
    """The midpoints between levels; an element's label is how many of them are below it.

    A table over equal bins gives each label up to a boundary or two, comparisons the rest: the same
    labels as a binary search, several times faster. Where boundaries crowd into one bin, it is a
    binary search.

    Args:
        levels: Strictly ascending, at least one and at most 256.

    Example:
        >>> Boundaries(np.float32([-1, 0, 4])).labels(np.float32([-0.7, 1.9, 2.1, 9])).tolist()
        [0, 1, 2, 2]
    """

    def __init__(self, levels: Floats) -> None:
        self._between = midpoints(levels)
        self._bounds = np.append(self._between, np.float32(np.inf))
        self._table: npt.NDArray[np.uint8] | None = None
        if self._between.size <= _FEW:
            return
        self._low, high = self._between[0], self._between[-1]
        if not (1 / _LARGEST < high - self._low < _LARGEST and abs(self._low) < _LARGEST):
            return
        self._step = np.float32(_BINS / (high - self._low))
        # From a bin before to a bin after its own: rounding may put an element one bin off.
        edges = float(self._low) + np.arange(-1, _BINS + 2) / float(self._step)
        below = np.searchsorted(self._between, edges)
        below[-3:] = self._between.size
        corrections = int((below[3:] - below[:-3]).max())
        if corrections <= _MOST_CORRECTIONS:
            self._table, self._corrections = below[:-3].astype(np.uint8), corrections

    def labels(self, values: Floats) -> npt.NDArray[np.uint8]:
        """Return each element's label."""
        found = np.empty(values.size, np.uint8)
        for start in range(0, values.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            found[block] = self._labels(values[block])
        return found

    def _labels(self, values: Floats) -> npt.NDArray[np.uint8]:
        if self._between.size <= _FEW:
            few = np.zeros(values.size, np.uint8)
            for bound in self._between:
                few += values > bound
            return few
        if self._table is None:
            return np.searchsorted(self._between, values).astype(np.uint8)
        with np.errstate(over="ignore"):
            place = (values - self._low) * self._step
        labels: npt.NDArray[np.uint8] = self._table[
            np.clip(place, 0, self._table.size - 1, out=place).astype(np.int32)
        ]
        for _ in range(self._corrections):
            labels += values > self._bounds[labels]
        return labels
