"""Scaling by powers of two: exact, and away from where float32 overflows or vanishes."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from fl_core.compression.finite import is_finite
from fl_core.errors import TensorError

Floats = npt.NDArray[np.float32]
MOST: Final = 200
"""No float32 needs a larger exponent, of either sign (2^-149 is the smallest)."""
_STEP: Final = 100


def normalised(values: Floats, top: int) -> tuple[Floats, int]:
    """Return ``values * 2^-e`` with its largest magnitude in [2^(top-1), 2^top), and ``e``.

    Exact but for what falls below the smallest float32. Zeros have ``e = 0``.

    Example:
        >>> normalised(np.float32([3.0, -6.0]), top=0)
        (array([ 0.375, -0.75 ], dtype=float32), 3)
    """
    largest = max(float(values.max(initial=0)), -float(values.min(initial=0)))
    exponent = math.frexp(largest)[1] - top if largest else 0
    return _scaled(values, -exponent), exponent


def restored(values: Floats, exponent: int) -> Floats:
    """Return ``values * 2^e``, kept within the finite float32 numbers.

    Raises:
        TensorError: An exponent that no float32 needs, or values that are not finite.
    """
    if abs(exponent) > MOST:
        raise TensorError(f"exponent {exponent} is beyond float32's")
    if not is_finite(values):  # clipping would make large numbers of infinities
        raise TensorError("it decodes to NaN or infinity")
    with np.errstate(over="ignore"):
        scaled = _scaled(values, exponent)
    limit = np.finfo(np.float32).max
    return np.clip(scaled, -limit, limit, out=scaled)


def _scaled(values: Floats, exponent: int) -> Floats:
    # In steps: the power of two itself has to be a float32.
    scaled = values
    while abs(exponent) > _STEP:
        step = _STEP if exponent > 0 else -_STEP
        scaled = scaled * np.float32(math.ldexp(1.0, step))
        exponent -= step
    return scaled * np.float32(math.ldexp(1.0, exponent))
