"""Sparse ternary compression (STC): the largest elements, all of one magnitude."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic.dataclasses import dataclass

from fl_core.compression.base import SETTINGS, Packed
from fl_core.compression.bits import pack_bits, unpack_bits
from fl_core.compression.exponent import Floats
from fl_core.compression.positions import pack_positions, unpack_positions
from fl_core.compression.sparse import SparseCodec, largest
from fl_core.compression.wire import part_of
from fl_core.errors import TensorError


@dataclass(frozen=True, config=SETTINGS)
class Ternary(SparseCodec):
    """Keeps the k = ceil(p n) largest magnitudes and gives each its sign times their mean.

    STC of Sattler, Wiedemann, Müller, Samek: Robust and communication-efficient federated learning
    from non-i.i.d. data, IEEE TNNLS 2019 (algorithm 1): with I the kept positions,
    ``mu = 1/|I| sum_{i in I} |x_i|`` and ``decoded_i = mu sign(x_i)`` on I, 0 elsewhere. The mean is
    summed in float64 and sent as float32; positions are Golomb coded.

    Example:
        >>> codec = Ternary(dim_threshold=1, p_sparsity=0.5)
        >>> codec.decode(codec.encode({"w": np.float32([1, -4, 3, 0])}, seed=0))["w"].tolist()
        [0.0, -3.5, 3.5, 0.0]
    """

    name: ClassVar[str] = "ternary"

    def pack(self, values: Floats, seed: int) -> Packed:
        """Return positions, signs and the mean."""
        positions = largest(values, self.kept(values.size))
        kept = values[positions]
        mean = np.abs(kept).mean(dtype=np.float64) if kept.size else 0.0
        parts, parameters = pack_positions(positions, values.size)
        signs = pack_bits((kept < 0).astype(np.uint8), 1)
        return Packed({**parts, "signs": signs, "mean": np.array([mean], np.float32)}, parameters)

    def unpack(self, packed: Packed, count: int) -> Floats:
        """Return the mean with its signs at the positions, zeros elsewhere."""
        positions = unpack_positions(packed.parts, packed.parameters, count)
        signs = unpack_bits(part_of(packed.parts, "signs", np.uint8), 1, positions.size)
        mean = np.float32(part_of(packed.parts, "mean", np.float32, 1)[0])
        if mean < 0:
            raise TensorError(f"the mean of its magnitudes is {mean}")
        values = np.zeros(count, np.float32)
        values[positions] = np.where(signs == 1, -mean, mean)
        return values
