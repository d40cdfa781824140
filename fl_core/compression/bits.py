"""Small unsigned integers, packed: bit plane after bit plane, each padded to whole bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fl_core.errors import TensorError

Unsigned = npt.NDArray[np.unsignedinteger[Any]]
MOST_BITS = 32


def packed_size(count: int, bits: int) -> int:
    """Return the bytes of `count` values of `bits` bits."""
    return bits * (-(-count // 8))


def pack_bits(values: Unsigned, bits: int) -> npt.NDArray[np.uint8]:
    """Return values below ``2 ** bits`` as bytes, the lowest bit's plane first.

    Example:
        >>> pack_bits(np.array([1, 0, 3], np.uint8), 2).tolist()
        [160, 32]
    """
    one = values.dtype.type(1)
    planes = [np.packbits((values >> values.dtype.type(bit)) & one != 0) for bit in range(bits)]
    return np.concatenate(planes) if planes else np.zeros(0, np.uint8)


def unpack_bits(packed: npt.NDArray[np.uint8], bits: int, count: int) -> Unsigned:
    """Undo `pack_bits`: uint8 up to eight bits, uint32 above.

    Raises:
        TensorError: The number of bits or of bytes is not possible for `count` values.
    """
    if not 0 <= bits <= MOST_BITS:
        raise TensorError(f"{bits} bits a value; there are 0 to {MOST_BITS}")
    if packed.size != packed_size(count, bits):
        raise TensorError(f"{packed.size} bytes do not hold {count} values of {bits} bits")
    dtype = np.uint8 if bits <= 8 else np.uint32
    values: Unsigned = np.zeros(count, dtype)
    for bit, plane in enumerate(packed.reshape(bits, -1) if bits else ()):
        unpacked: npt.NDArray[Any] = np.unpackbits(plane, count=count)
        values |= np.left_shift(unpacked, bit, dtype=dtype)
    return values
