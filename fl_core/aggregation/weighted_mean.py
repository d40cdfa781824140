"""The weighted mean of updates (FedAvg, McMahan et al., AISTATS 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fl_core.aggregation.base import SiteUpdate
from fl_core.errors import TensorError
from fl_core.tensors import Array, Tensors


def weighted_mean(arrays: Sequence[Array], weights: Sequence[float]) -> Array:
    """Return ``sum_k weights[k] * arrays[k]``, summed in the given order.

    Floats are summed in their own dtype and in place; integers and booleans in float64, rounded
    half to even.

    Args:
        arrays: At least one; all of one shape and dtype.
        weights: As many, summing to 1.

    Example:
        >>> weighted_mean([np.float32([0, 4]), np.float32([4, 0])], [0.25, 0.75]).tolist()
        [3.0, 1.0]
    """
    first = arrays[0]
    if not np.issubdtype(first.dtype, np.floating):
        total = np.zeros(first.shape, np.float64)
        for array, weight in zip(arrays, weights, strict=True):
            total += weight * array.astype(np.float64)
        return np.asarray(np.rint(total)).astype(first.dtype)
    mean = np.zeros(first.shape, first.dtype)
    scratch = np.empty_like(mean)
    for array, weight in zip(arrays, weights, strict=True):
        np.multiply(array, mean.dtype.type(weight), out=scratch)
        np.add(mean, scratch, out=mean)
    return mean


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
