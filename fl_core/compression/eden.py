"""EDEN: a random rotation, the best quantiser of the normal distribution, and a scale that unbiases."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field
from pydantic.dataclasses import dataclass

from fl_core.compression.base import SETTINGS, ArrayCodec, Packed
from fl_core.compression.bits import pack_bits, unpack_bits
from fl_core.compression.exponent import MOST, Floats, normalised, restored
from fl_core.compression.lloyd_max import centroids
from fl_core.compression.nearest import Boundaries
from fl_core.compression.rotation import Signs, block_sizes, rotate, rotate_back
from fl_core.compression.wire import parameter_of, part_of
from fl_core.errors import TensorError

_MOST_SEED: Final = 2**63 - 1
_MOST_SCALE: Final = 512.0
"""Elements are below 1, a block's norm below 256; one bit's level is 0.8, and others' tops are higher."""


@dataclass(frozen=True, config=SETTINGS)
class Eden(ArrayCodec):
    """Sends one to eight bits an element, so that the mean over many sites is close to exact.

    Vargaftik, Ben Basat, Portnoy, Mendelson, Ben-Itzhak, Mitzenmacher: EDEN, ICML 2022. With a
    random rotation R, ``z = R x`` and c the Lloyd-Max centroids of the normal distribution,
    ``q_i = c(sqrt(d) z_i / ||z||)`` and ``decoded = s R^T q`` with ``s = ||z||^2 / <z, q>``. Over
    uniform rotations the decoded vector has exactly x as its mean; the expected squared error is
    ``(1/(1 - D) - 1) ||x||^2``, D the quantiser's distortion: 0.571, 0.133, 0.0358, 0.0096 of
    ``||x||^2`` for 1 to 4 bits. Errors of different seeds are independent, so the mean of N sites has
    1/N of it.

    Here R is that of `fl_core.compression.rotation`, for blocks of 65 536 elements (a long tensor is
    not padded to the next power of two, and each block has a scale); the bias that comes of it not
    being uniform is below what can be measured. Rotations are computed in float32, norms and scales
    in float64.

    Args:
        dim_threshold: Elements from which on a tensor is compressed.
        n_bits: Bits an element.

    Example:
        >>> codec = Eden(n_bits=8)
        >>> x = np.linspace(-1, 1, 1000, dtype=np.float32)
        >>> decoded = codec.decode(codec.encode({"w": x}, seed=0))["w"]
        >>> bool(np.linalg.norm(decoded - x) < 0.01 * np.linalg.norm(x))
        True
    """

    name: ClassVar[str] = "eden"

    n_bits: Annotated[int, Field(ge=1, le=8)] = 8

    def pack(self, values: Floats, seed: int) -> Packed:
        """Return each element's centroid, a scale for each block, and the rotation's seed."""
        levels = centroids(self.n_bits)
        boundaries = Boundaries(levels)
        scaled, exponent = normalised(values, top=0)
        sizes = block_sizes(values.size)
        labels = np.empty(sum(sizes), np.uint8)
        scales = np.zeros(len(sizes), np.float32)
        start = 0
        for number, signs in enumerate(Signs(seed).pairs(sizes)):
            block = slice(start, start + sizes[number])
            rotated = rotate(_padded(scaled[block], sizes[number]), signs)
            labels[block], scales[number] = _quantised(rotated, levels, boundaries)
            start = block.stop
        parts: dict[str, npt.NDArray[Any]] = {"labels": pack_bits(labels, self.n_bits), "scales": scales}
        return Packed(parts, {"bits": self.n_bits, "seed": seed, "exponent": exponent})

    def unpack(self, packed: Packed, count: int) -> Floats:
        """Return the centroids, scaled and rotated back."""
        parameter_of(packed.parameters, "bits", self.n_bits, self.n_bits)
        seed = parameter_of(packed.parameters, "seed", 0, _MOST_SEED)
        exponent = parameter_of(packed.parameters, "exponent", -MOST, MOST)
        sizes = block_sizes(count)
        scales = part_of(packed.parts, "scales", np.float32, len(sizes))
        if scales.size and not (scales.min() >= 0 and scales.max() <= _MOST_SCALE):
            raise TensorError(f"its scales go from {scales.min()} to {scales.max()}")
        labels = unpack_bits(part_of(packed.parts, "labels", np.uint8), self.n_bits, sum(sizes))
        levels = centroids(self.n_bits)
        values = np.empty(sum(sizes), np.float32)
        start = 0
        for number, signs in enumerate(Signs(seed).pairs(sizes)):
            block = slice(start, start + sizes[number])
            values[block] = rotate_back(levels[labels[block]] * scales[number], signs)
            start = block.stop
        return restored(values[:count], exponent)


def _padded(values: Floats, size: int) -> Floats:
    return values if values.size == size else np.append(values, np.zeros(size - values.size, np.float32))


def _quantised(
    rotated: Floats, levels: Floats, boundaries: Boundaries
) -> tuple[npt.NDArray[np.uint8], float]:
    """Return each element's label, and the block's scale."""
    square = float(np.square(rotated, dtype=np.float64).sum())
    if square == 0:
        return np.zeros(rotated.size, np.uint8), 0.0
    labels = boundaries.labels(rotated * np.float32((rotated.size / square) ** 0.5))
    # Not by BLAS, whose sums depend on the number of threads.
    product = float(np.multiply(rotated, levels[labels], dtype=np.float64).sum())
    return labels, square / product
