"""The k largest elements of each tensor, exactly."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic.dataclasses import dataclass

from fl_core.compression.base import SETTINGS, Packed
from fl_core.compression.exponent import Floats
from fl_core.compression.positions import pack_positions, unpack_positions
from fl_core.compression.sparse import SparseCodec, largest
from fl_core.compression.wire import part_of


@dataclass(frozen=True, config=SETTINGS)
class TopK(SparseCodec):
    """Keeps the k = ceil(p n) largest magnitudes of a tensor and drops the others.

    A k-contraction (Stich, Cordonnier, Jaggi: Sparsified SGD with memory, NeurIPS 2018):
    ``||x - decoded||^2 <= (1 - k/n) ||x||^2``. With p = 1 nothing is lost.

    Example:
        >>> codec = TopK(dim_threshold=1, p_sparsity=0.5)
        >>> codec.decode(codec.encode({"w": np.float32([1, -4, 3, 0])}, seed=0))["w"].tolist()
        [0.0, -4.0, 3.0, 0.0]
    """

    name: ClassVar[str] = "top_k"

    def pack(self, values: Floats, seed: int) -> Packed:
        """Return positions and values."""
        positions = largest(values, self.kept(values.size))
        parts, parameters = pack_positions(positions, values.size)
        return Packed({**parts, "values": values[positions]}, parameters)

    def unpack(self, packed: Packed, count: int) -> Floats:
        """Return the values at their positions, zeros elsewhere."""
        positions = unpack_positions(packed.parts, packed.parameters, count)
        values = np.zeros(count, np.float32)
        values[positions] = part_of(packed.parts, "values", np.float32, positions.size)
        return values
