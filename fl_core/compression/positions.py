"""Ascending positions in a long array, in a little more bits than their entropy: Golomb's code.

The gaps between positions of a random subset are geometric, for which Golomb's code (IEEE Trans.
Inf. Theory 12, 1966) is optimal; Sattler et al. (2019) use it for sparse updates. A gap g
is ``q * 2^b + r``: q in unary, r in b bits. The two streams are kept apart, so that both are read
at once instead of bit by bit; the number of bits is the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from fl_core.compression.bits import MOST_BITS, pack_bits, unpack_bits
from fl_core.compression.wire import parameter_of, part_of
from fl_core.errors import TensorError
from fl_core.tensors import Tensors

Positions = npt.NDArray[np.int64]
PARTS: Final = ("quotients", "remainders")


def pack_positions(
    positions: Positions, count: int
) -> tuple[dict[str, npt.NDArray[np.uint8]], dict[str, int]]:
    """Return parts and parameters for strictly ascending positions below `count`.

    Example:
        >>> parts, parameters = pack_positions(np.array([2, 3, 90]), 100)
        >>> unpack_positions(parts, parameters, 100).tolist()
        [2, 3, 90]
    """
    bits = _remainder_bits(positions.size, count)
    gaps = np.diff(positions, prepend=-1) - 1
    ends = np.cumsum((gaps >> bits) + 1) - 1
    unary = np.zeros(int(ends[-1]) + 1 if ends.size else 0, np.uint8)
    unary[ends] = 1
    remainders = (gaps & ((1 << bits) - 1)).astype(np.uint32)
    return (
        {"quotients": np.packbits(unary), "remainders": pack_bits(remainders, bits)},
        {"kept": positions.size, "golomb": bits},
    )


def unpack_positions(parts: Tensors, parameters: Mapping[str, int], count: int) -> Positions:
    """Undo `pack_positions`.

    Raises:
        TensorError: The parts hold another number of positions, or one beyond `count`.
    """
    kept = parameter_of(parameters, "kept", 0, count)
    bits = parameter_of(parameters, "golomb", 0, MOST_BITS)
    quotients = part_of(parts, "quotients", np.uint8)
    if quotients.size > -(-(kept + (count >> bits)) // 8):
        raise TensorError(f"{quotients.size} bytes are too many for {kept} positions below {count}")
    ends = np.flatnonzero(np.unpackbits(quotients))
    if ends.size != kept or quotients.size != -(-(int(ends[-1]) + 1 if kept else 0) // 8):
        raise TensorError(f"it has {ends.size} positions instead of {kept}, or bytes left over")
    remainders = unpack_bits(part_of(parts, "remainders", np.uint8), bits, kept)
    gaps = (np.diff(ends, prepend=-1) - 1 << bits) + remainders.astype(np.int64)
    # The float sum first: that of a forged stream could pass the largest int64.
    if kept and (gaps.sum(dtype=np.float64) > count or int(gaps.sum()) + kept > count):
        raise TensorError(f"a position is beyond the {count} elements")
    return np.cumsum(gaps + 1) - 1


def _remainder_bits(kept: int, count: int) -> int:
    """Return b* = 1 + floor(log2(ln(phi - 1) / ln(1 - p))), phi the golden ratio; 0 where p is large."""
    if kept in (0, count):
        return 0
    mean_gap = math.log((math.sqrt(5) - 1) / 2) / math.log1p(-kept / count)
    return min(max(0, 1 + math.floor(math.log2(mean_gap))), MOST_BITS)
