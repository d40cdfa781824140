"""bfloat16: float32's exponents with 8 significant bits."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from pydantic.dataclasses import dataclass

from fl_core.compression.base import SETTINGS, ArrayCodec, Packed
from fl_core.compression.exponent import Floats
from fl_core.compression.wire import part_of

_LARGEST: Final = np.uint16(0x7F7F)
_SIGN: Final = np.uint16(0x8000)


@dataclass(frozen=True, config=SETTINGS)
class BFloat16(ArrayCodec):
    """Rounds float32 to its upper 16 bits, to the nearest and half to even.

    ``|x - decoded| <= 2^-8 |x|`` (and 2^-134 among the subnormal numbers). What would round to
    infinity becomes the largest bfloat16, 3.39e38. The bits travel as uint16: numpy has no bfloat16.

    Example:
        >>> codec = BFloat16(dim_threshold=1)
        >>> codec.decode(codec.encode({"w": np.float32([1.0, 1 / 3])}, seed=0))["w"].tolist()
        [1.0, 0.333984375]
    """

    name: ClassVar[str] = "bf16"
    compressed_dtypes: ClassVar[tuple[str, ...]] = ("float32",)

    def pack(self, values: Floats, seed: int) -> Packed:
        """Return the upper halves, rounded."""
        bits = values.view(np.uint32)
        odd = (bits >> np.uint32(16)) & np.uint32(1)
        # Finite float32 end below 0xFF80_0000, so the sum stays within 32 bits.
        upper = ((bits + np.uint32(0x7FFF) + odd) >> np.uint32(16)).astype(np.uint16)
        magnitude = np.minimum(upper & ~_SIGN, _LARGEST)
        return Packed({"halves": magnitude | (upper & _SIGN)})

    def unpack(self, packed: Packed, count: int) -> Floats:
        """Return float32."""
        halves = part_of(packed.parts, "halves", np.uint16, count)
        return (halves.astype(np.uint32) << np.uint32(16)).view(np.float32)
