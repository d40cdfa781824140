"""The weighted mean of updates (FedAvg, McMahan et al., AISTATS 2017)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from fl_core.aggregation.base import SiteUpdate
from fl_core.aggregation.tensorwise import TensorRule, by_tensor
from fl_core.errors import TensorError
from fl_core.tensors import Array, Tensors

BLOCK = 1 << 17
"""Elements summed at a time: few enough for the processor's cache, enough to outweigh the calls."""


class Scratch:
    """Room for the sums of a block, used again for every tensor of a thread."""

    def __init__(self) -> None:
        self._room = np.empty((2, 0), np.float64)

    def of(self, size: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
        """Return two arrays of that many elements of a 64-bit float or 128-bit complex dtype."""
        doubles = size * (dtype.itemsize // 8)
        if self._room.shape[1] < doubles:
            self._room = np.empty((2, doubles), np.float64)
        return self._room[0, :doubles].view(dtype), self._room[1, :doubles].view(dtype)


def weighted_mean(
    arrays: Sequence[Array], weights: Sequence[float], *, scratch: Scratch | None = None
) -> Array:
    """Return ``sum_k weights[k] * arrays[k]``, summed in the given order.

    Sums are float64 (complex128 of complex arrays) and then rounded to the arrays' dtype (integers
    and booleans half to even), so that equal float32 arrays have exactly themselves as their mean.

    Args:
        arrays: At least one; all of one shape and dtype.
        weights: As many, summing to 1.
        scratch: Room to use again in the next call of the same thread.

    Example:
        >>> weighted_mean([np.float32([0, 4]), np.float32([4, 0])], [0.25, 0.75]).tolist()
        [3.0, 1.0]
    """
    flat = [np.asarray(array).reshape(-1) for array in arrays]
    mean = np.empty(flat[0].shape, flat[0].dtype)
    sums = np.dtype(np.complex128 if mean.dtype.kind == "c" else np.float64)
    total_room, product_room = (scratch or Scratch()).of(min(BLOCK, mean.size), sums)
    for start in range(0, mean.size, BLOCK):
        block = slice(start, min(start + BLOCK, mean.size))
        total, product = total_room[: block.stop - start], product_room[: block.stop - start]
        # A cast and a product in place are faster than one product that casts.
        np.copyto(total, flat[0][block])
        np.multiply(total, weights[0], out=total)
        for array, weight in zip(flat[1:], weights[1:], strict=True):
            np.copyto(product, array[block])
            np.multiply(product, weight, out=product)
            np.add(total, product, out=total)
        mean[block] = total if mean.dtype.kind in "fc" else np.rint(total, out=total)
    return mean.reshape(np.shape(arrays[0]))


def normalised(samples: Sequence[int]) -> list[float]:
    """Return shares that sum to 1; equal ones when every site claims no data.

    Raises:
        TensorError: A number of samples is negative.
    """
    if min(samples) < 0:
        raise TensorError(f"a site claims {min(samples)} samples; sizes of data are not negative")
    total = sum(samples)
    return [n / total for n in samples] if total else [1 / len(samples)] * len(samples)


class WeightedMean:
    """FedAvg as an `Aggregation`, tensor by tensor: every site weighs as much as its training data."""

    def begin(self, model: Tensors, updates: Sequence[SiteUpdate]) -> TensorRule:
        """Return the mean of a tensor, weighted by the updates' samples."""
        weights = normalised([update.samples for update in updates])
        rooms = threading.local()

        def mean(name: str, model: Array, updates: Sequence[Array]) -> Array:
            if not hasattr(rooms, "scratch"):
                rooms.scratch = Scratch()
            return weighted_mean(updates, weights, scratch=rooms.scratch)

        return mean

    def __call__(self, model: Tensors, updates: Sequence[SiteUpdate]) -> dict[str, Array]:
        """Return the mean of the updates, weighted by their samples."""
        return by_tensor(self, model, updates, lambda _, mean: mean, threads=1)
