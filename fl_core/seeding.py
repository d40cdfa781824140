"""Random generators by name: one for each (run seed, purpose, site, round), never a global one."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """Return the generator that belongs to one purpose of one run.

    Two purposes never share a stream, so one site's choice cannot shift another's.

    Args:
        seed: The run's seed, any non-negative integer.
        *purpose: What the numbers are for, e.g. ``"patches", site, round``.

    Example:
        >>> a = generator(7, "patches", "1", 0).random()
        >>> b = generator(7, "patches", "2", 0).random()
        >>> a == generator(7, "patches", "1", 0).random(), a == b
        (True, False)
    """
    return np.random.default_rng(derived_seed(seed, *purpose))


def derived_seed(seed: int, *purpose: str | int) -> int:
    """Return a 64-bit seed for one purpose, for libraries that take only an integer (torch)."""
    text = "\x1f".join([str(seed), *(f"{type(part).__name__}:{part}" for part in purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
