"""Random generators by name: one for each (seed, purpose, institution, case), never a global one."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """Return the generator that belongs to one purpose of one data set.

    Two purposes never share a stream, so adding an institution or a case changes no other case.

    Args:
        seed: The data set's seed, any integer.
        *purpose: What the numbers are for, e.g. ``"lesion", institution, case``.

    Example:
        >>> a = generator(7, "lesion", "1", 0).random()
        >>> b = generator(7, "lesion", "2", 0).random()
        >>> a == generator(7, "lesion", "1", 0).random(), a == b
        (True, False)
    """
    text = "\x1f".join([str(seed), *(f"{type(part).__name__}:{part}" for part in purpose)])
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little"))
