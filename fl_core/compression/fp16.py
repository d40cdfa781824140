"""Half precision: 11 significant bits, and one exponent for the whole tensor."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from pydantic.dataclasses import dataclass

from fl_core.compression.base import SETTINGS, ArrayCodec, Packed
from fl_core.compression.exponent import MOST, Floats, normalised, restored
from fl_core.compression.wire import parameter_of, part_of

_TOP: Final = 15
"""float16 reaches just below 2^16; rounding up from below 2^15 stays far from it."""


@dataclass(frozen=True, config=SETTINGS)
class Float16(ArrayCodec):
    """Rounds float32 to IEEE 754 half precision, to the nearest and half to even.

    A tensor is first multiplied by the power of two that brings its largest magnitude ``m`` into
    [2^14, 2^15), so that updates of 1e-6 keep their digits and 1e6 does not overflow. So
    ``|x - decoded| <= 2^-11 |x| + 2^-39 m``. Values of the usual range round as they would without.

    Example:
        >>> codec = Float16(dim_threshold=1)
        >>> codec.decode(codec.encode({"w": np.float32([1 / 3, 7e-8])}, seed=0))["w"].tolist()
        [0.333251953125, 7.002381607890129e-08]
    """

    name: ClassVar[str] = "fp16"
    compressed_dtypes: ClassVar[tuple[str, ...]] = ("float32",)

    def pack(self, values: Floats, seed: int) -> Packed:
        """Return the halves and the tensor's exponent."""
        scaled, exponent = normalised(values, _TOP)
        return Packed({"halves": scaled.astype(np.float16)}, {"exponent": exponent})

    def unpack(self, packed: Packed, count: int) -> Floats:
        """Return float32."""
        halves = part_of(packed.parts, "halves", np.float16, count)
        exponent = parameter_of(packed.parameters, "exponent", -MOST, MOST)
        return restored(halves.astype(np.float32), exponent)
