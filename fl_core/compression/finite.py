"""Whether every value is a number."""

from __future__ import annotations

import numpy as np

from fl_core.tensors import Array


def is_finite(array: Array) -> bool:
    """Return whether a float array holds neither NaN nor infinity; True for other dtypes.

    The extremes carry every NaN and infinity, and need no array of booleans beside a large tensor.

    Example:
        >>> is_finite(np.float32([1, 2])), is_finite(np.float32([1, np.inf])), is_finite(np.zeros(0))
        (True, False, True)
    """
    if array.dtype.kind != "f" or array.size == 0:
        return True
    return bool(np.isfinite(array.min()) and np.isfinite(array.max()))
