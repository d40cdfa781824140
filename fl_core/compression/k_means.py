"""k-means compression (KC): each element becomes the nearest of a few values."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field
from pydantic.dataclasses import dataclass

from fl_core.compression.base import SETTINGS, ArrayCodec, Packed
from fl_core.compression.bits import pack_bits, unpack_bits
from fl_core.compression.exponent import Floats
from fl_core.compression.nearest import Boundaries, midpoints
from fl_core.compression.wire import part_of
from fl_core.errors import TensorError
from fl_core.tensors import Tensors

MOST_CLUSTERS: Final = 256
_ITERATIONS: Final = 200

Clusters = Annotated[int, Field(ge=1, le=MOST_CLUSTERS)]


@dataclass(frozen=True, config=SETTINGS)
class KMeans(ArrayCodec):
    """Replaces the elements of a tensor by the centres of `n_clusters` clusters.

    Lloyd's algorithm (IEEE Trans. Inf. Theory 28, 1982) in one dimension: the values are sorted
    once, so that a cluster is a range and its mean a difference of two running sums (float64). It
    starts from quantiles of the distinct values and draws nothing at random. A tensor with no more
    distinct values than clusters loses nothing; else no element moves out of the range of its
    cluster, and the squared error is at most the tensor's variance times its size.

    Args:
        dim_threshold: Elements from which on a tensor is compressed.
        n_clusters: Values to choose from.

    Example:
        >>> codec = KMeans(dim_threshold=1, n_clusters=2)
        >>> codec.decode(codec.encode({"w": np.float32([0, 1, 9, 10])}, seed=0))["w"].tolist()
        [0.5, 0.5, 9.5, 9.5]
    """

    name: ClassVar[str] = "k_means"

    n_clusters: Clusters = 6

    def pack(self, values: Floats, seed: int) -> Packed:
        """Return the centres, and which one each element has."""
        return Packed(pack_clusters(values, self.n_clusters))

    def unpack(self, packed: Packed, count: int) -> Floats:
        """Return the centres in the elements' places."""
        return unpack_clusters(packed.parts, count)


def pack_clusters(values: Floats, clusters: int) -> dict[str, npt.NDArray[Any]]:
    """Return the parts ``centres`` and ``labels`` of a flat array."""
    centres = centres_of(values, clusters)
    labels = Boundaries(centres).labels(values) if values.size else np.zeros(0, np.uint8)
    return {"centres": centres, "labels": pack_bits(labels, _bits(centres.size))}


def unpack_clusters(parts: Tensors, count: int) -> Floats:
    """Undo `pack_clusters`.

    Raises:
        TensorError: The parts do not hold `count` elements, or a label has no centre.
    """
    centres = part_of(parts, "centres", np.float32)
    if centres.size > MOST_CLUSTERS or (count and not centres.size):
        raise TensorError(f"it has {centres.size} centres; there are 1 to {MOST_CLUSTERS}")
    labels = unpack_bits(part_of(parts, "labels", np.uint8), _bits(centres.size), count)
    if count and int(labels.max()) >= centres.size:
        raise TensorError(f"label {labels.max()} has no centre")
    found: Floats = centres[labels]
    return found


def centres_of(values: Floats, clusters: int) -> Floats:
    """Return at most `clusters` centres, strictly ascending: the means of their clusters."""
    ordered: Floats = np.sort(values)
    if not ordered.size:
        return ordered
    distinct: Floats = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    if distinct.size <= clusters:
        return distinct
    sums = np.concatenate([[0.0], np.cumsum(ordered, dtype=np.float64)])
    centres = distinct[(np.arange(clusters) * 2 + 1) * distinct.size // (2 * clusters)]
    edges = np.zeros(0, np.int64)
    for _ in range(_ITERATIONS):
        before = edges
        inner = np.searchsorted(ordered, midpoints(centres), side="right")
        edges = np.unique(np.concatenate([[0], inner, [ordered.size]]))
        if np.array_equal(edges, before):
            break
        means = np.diff(sums[edges]) / np.diff(edges)
        # A difference of large sums can be off by more than a small cluster is wide.
        means = np.clip(means, ordered[edges[:-1]], ordered[edges[1:] - 1])
        centres = np.unique(means.astype(np.float32))
    return centres


def _bits(centres: int) -> int:
    return max(0, centres - 1).bit_length()
