"""Sparse k-means compression (SKC): the largest elements, each the nearest of a few values."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic.dataclasses import dataclass

from fl_core.compression.base import SETTINGS, Packed
from fl_core.compression.exponent import Floats
from fl_core.compression.k_means import Clusters, pack_clusters, unpack_clusters
from fl_core.compression.positions import pack_positions, unpack_positions
from fl_core.compression.sparse import SparseCodec, largest


@dataclass(frozen=True, config=SETTINGS)
class SparseKMeans(SparseCodec):
    """Keeps the k = ceil(p n) largest magnitudes and clusters what it kept.

    The codec that OpenFL calls SKC. See `fl_core.compression.k_means` for the clustering.

    Args:
        dim_threshold: Elements from which on a tensor is compressed.
        p_sparsity: Share of the elements that is sent.
        error_feedback: Add what an update lost to the site's next one.
        n_clusters: Values to choose from.

    Example:
        >>> codec = SparseKMeans(dim_threshold=1, p_sparsity=0.6, n_clusters=2)
        >>> codec.decode(codec.encode({"w": np.float32([0, 1, 9, 11, -8])}, seed=0))["w"].tolist()
        [0.0, 0.0, 10.0, 10.0, -8.0]
    """

    name: ClassVar[str] = "sparse_k_means"

    n_clusters: Clusters = 6

    def pack(self, values: Floats, seed: int) -> Packed:
        """Return positions, centres, and which one each kept element has."""
        positions = largest(values, self.kept(values.size))
        parts, parameters = pack_positions(positions, values.size)
        return Packed({**parts, **pack_clusters(values[positions], self.n_clusters)}, parameters)

    def unpack(self, packed: Packed, count: int) -> Floats:
        """Return the centres at the positions, zeros elsewhere."""
        positions = unpack_positions(packed.parts, packed.parameters, count)
        values = np.zeros(count, np.float32)
        values[positions] = unpack_clusters(packed.parts, positions.size)
        return values
