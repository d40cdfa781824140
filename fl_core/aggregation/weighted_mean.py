"""The weighted mean of updates (FedAvg, McMahan et al., AISTATS 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fl_core.aggregation.base import SiteUpdate
from fl_core.errors import TensorError
from fl_core.tensors import Array, Tensors

BLOCK = 1 << 15
"""Elements summed at a time: the float64 sums of a block stay in the processor's cache."""


def weighted_mean(arrays: Sequence[Array], weights: Sequence[float]) -> Array:
    """Return ``sum_k weights[k] * arrays[k]``, summed in the given order.

    Sums are float64 and then rounded to the arrays' dtype (integers and booleans half to even), so
    that equal float32 arrays have exactly themselves as their mean.

    Args:
        arrays: At least one; all of one shape and dtype.
        weights: As many, summing to 1.

    Example:
        >>> weighted_mean([np.float32([0, 4]), np.float32([4, 0])], [0.25, 0.75]).tolist()
        [3.0, 1.0]
    """
    flat = [np.asarray(array).reshape(-1) for array in arrays]
    mean = np.empty(flat[0].shape, flat[0].dtype)
    rounds = not np.issubdtype(mean.dtype, np.floating)
    product = np.empty(min(BLOCK, mean.size), np.float64)
    for start in range(0, mean.size, BLOCK):
        block = slice(start, min(start + BLOCK, mean.size))
        scratch = product[: block.stop - start]
        total = np.multiply(flat[0][block], weights[0], dtype=np.float64)
        for array, weight in zip(flat[1:], weights[1:], strict=True):
            np.multiply(array[block], weight, out=scratch, dtype=np.float64)
            total += scratch
        mean[block] = np.rint(total) if rounds else total
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
    """FedAvg as an `Aggregation`: every site weighs as much as its training data."""

    def __call__(self, model: Tensors, updates: Sequence[SiteUpdate]) -> dict[str, Array]:
        """Return the mean of the updates, weighted by their samples."""
        weights = normalised([update.samples for update in updates])
        return {name: weighted_mean([u.tensors[name] for u in updates], weights) for name in model}
