"""Random rotations that cost n log n: signs at random, then Hadamard's matrix, twice over.

Of a vector that was rotated so, every element is close to normal, whatever the vector was. One pass
does for most; two also spread a vector with few elements that are not zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from fl_core.compression.exponent import Floats

LARGEST_BLOCK: Final = 1 << 16
"""Elements rotated together: 256 KiB, which stay in a core's cache."""
SMALLEST_BLOCK: Final = 128
"""Below, elements would be too few to look normal."""


def block_sizes(count: int) -> list[int]:
    """Return powers of two that together hold `count` elements, the last one padded.

    Example:
        >>> block_sizes(200_000), block_sizes(3)
        ([65536, 65536, 65536, 2048, 1024, 256, 128], [128])
    """
    sizes = [LARGEST_BLOCK] * (count // LARGEST_BLOCK)
    rest = count % LARGEST_BLOCK
    while rest >= SMALLEST_BLOCK:
        sizes.append(1 << (rest.bit_length() - 1))
        rest -= sizes[-1]
    return [*sizes, SMALLEST_BLOCK] if rest else sizes


class Signs:
    """A stream of random signs that is the same with every version of numpy: raw bits of PCG64."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def take(self, count: int) -> Floats:
        """Return the next signs, 1 and -1; a multiple of 64."""
        words = np.asarray(self._bits.random_raw(count // 64), "<u8")
        return np.float32(1) - np.float32(2) * np.unpackbits(words.view(np.uint8))

    def pairs(self, sizes: list[int]) -> Iterator[tuple[Floats, Floats]]:
        """Return the two signs of each element, block by block."""
        for size in sizes:
            yield self.take(size), self.take(size)


def rotate(block: Floats, signs: tuple[Floats, Floats]) -> Floats:
    """Return ``1/d H S2 H S1 x``: a rotation, scaled exactly (d is a power of two)."""
    first, second = signs
    return hadamard(hadamard(block * first) * second) * np.float32(1 / block.size)


def rotate_back(block: Floats, signs: tuple[Floats, Floats]) -> Floats:
    """Return ``1/d S1 H S2 H z``, which undoes `rotate` but for rounding."""
    first, second = signs
    return hadamard(hadamard(block) * second) * (first * np.float32(1 / block.size))


def hadamard(block: Floats) -> Floats:
    """Return ``H x`` for a power of two of elements, H not normalised (its own inverse times d).

    As ``H_d x = H_r X H_c`` for x as an r × c matrix X, so that every pass runs over long rows.

    Example:
        >>> hadamard(np.float32([1, 2, 3, 4])).tolist()
        [10.0, -2.0, -4.0, 0.0]
    """
    power = block.size.bit_length() - 1
    matrix = np.array(block, np.float32).reshape(1 << (power // 2), -1)
    _over_rows(matrix)
    turned = np.ascontiguousarray(matrix.T)
    _over_rows(turned)
    return np.ascontiguousarray(turned.T).reshape(-1)


def _over_rows(matrix: Floats) -> None:
    """Multiply by Hadamard's matrix from the left, in place."""
    rows = matrix.shape[0]
    for stage in range(int(math.log2(rows))):
        pairs = matrix.reshape(rows >> (stage + 1), 2, -1)
        upper, lower = pairs[:, 0], pairs[:, 1]
        difference = upper - lower
        upper += lower
        lower[...] = difference
