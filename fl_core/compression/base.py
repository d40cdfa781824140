"""What a codec is, and what all codecs that work tensor by tensor share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from fl_core.compression.exponent import Floats
from fl_core.compression.finite import is_finite
from fl_core.compression.wire import RAW, Encoded, Entry, array_of, entry_of, read_entries
from fl_core.errors import TensorError
from fl_core.executor.base import OPTIMIZER_PREFIX
from fl_core.seeding import derived_seed
from fl_core.tensors import Array, Tensors

DIM_THRESHOLD: Final = 256
"""Elements from which on a tensor is compressed, unless a plan says otherwise."""

SETTINGS = ConfigDict(extra="forbid", strict=True)
"""How every codec's settings are checked: no unknown key, no text for a number."""


@runtime_checkable
class Codec(Protocol):
    """Makes tensors smaller and back.

    Attributes:
        name: Stands in the metadata of what it encodes.
        sparse: Whether most elements decode to zero: fit for updates, not for models.
        error_feedback: Whether a site is to add what an update lost to its next one.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def sparse(self) -> bool: ...  # noqa: D102

    @property
    def error_feedback(self) -> bool: ...  # noqa: D102

    def compresses(self, name: str, array: Array) -> bool:
        """Return whether this tensor loses anything; it depends on name, dtype and size only."""
        ...

    def encode(self, tensors: Tensors, *, seed: int) -> Encoded:
        """Return tensors as they travel; the same tensors and seed give the same bytes.

        Raises:
            TensorError: A value to be compressed is not finite, or a dtype cannot be stored.
        """
        ...

    def decode(self, encoded: Encoded) -> dict[str, Array]:
        """Return tensors of the original names, shapes and dtypes; nothing in `encoded` is trusted.

        Memory is bounded by the declared shapes, which the caller compares with the model's first
        (`fl_core.compression.wire.check_shapes`).

        Raises:
            TensorError: Parts, parameters or sizes do not fit each other.
        """
        ...


class Packed(NamedTuple):
    """One compressed tensor: flat arrays by part, and integers by parameter."""

    parts: Mapping[str, npt.NDArray[Any]]
    parameters: Mapping[str, int] = {}


@dataclass(frozen=True, config=SETTINGS)
class ArrayCodec(ABC):
    """A codec that compresses one tensor after the other.

    float32 and float16 tensors of at least `dim_threshold` elements are compressed, computed in
    float32 (float64 where a codec says so); all others, and an optimizer's, travel as they are.
    Decoding is made of operations that IEEE 754 defines to the last bit, so that both sides decode
    the same on any machine.

    Args:
        dim_threshold: Elements from which on a tensor is compressed.
    """

    name: ClassVar[str]
    sparse: ClassVar[bool] = False
    compressed_dtypes: ClassVar[tuple[str, ...]] = ("float32", "float16")

    dim_threshold: Annotated[int, Field(ge=1)] = DIM_THRESHOLD

    @property
    def error_feedback(self) -> bool:
        """Whether a site is to add what an update lost to its next one."""
        return False

    @abstractmethod
    def pack(self, values: Floats, seed: int) -> Packed:
        """Compress a flat array, finite and with at least one element."""

    @abstractmethod
    def unpack(self, packed: Packed, count: int) -> Floats:
        """Return `count` elements.

        Raises:
            TensorError: Parts or parameters are not what `pack` makes.
        """

    def compresses(self, name: str, array: Array) -> bool:
        """Return whether this tensor loses anything."""
        return self._compresses(name, array.dtype, array.size)

    def encode(self, tensors: Tensors, *, seed: int) -> Encoded:
        """Return tensors as they travel; see `Codec.encode`."""
        sent: dict[str, Array] = {}
        entries: dict[str, Any] = {}
        for name in sorted(tensors):
            array = array_of(tensors[name])
            packed, entry = self._encoded(name, array, seed)
            sent |= {f"{part}:{name}": value for part, value in packed.parts.items()}
            entries[name] = entry.plain()
        return Encoded(sent, {"codec": self.name, "tensors": entries})

    def decode(self, encoded: Encoded) -> dict[str, Array]:
        """Return tensors of the original names, shapes and dtypes; see `Codec.decode`."""
        if encoded.codec != self.name:
            raise TensorError(f"tensors were compressed with {encoded.codec!r:.80}, not with {self.name!r}")
        by_tensor = _by_tensor(encoded)
        decoded = {}
        for name, entry in read_entries(encoded.metadata).items():
            try:
                decoded[name] = self._decoded(name, entry, by_tensor.pop(name, {}))
            except TensorError as error:
                raise TensorError(f"tensor {name!r}: {error}") from error
        if by_tensor:
            raise TensorError(f"tensor {min(by_tensor)!r} is not in the metadata")
        return decoded

    def _compresses(self, name: str, dtype: np.dtype[Any], count: int) -> bool:
        return (
            dtype.name in self.compressed_dtypes
            and count >= self.dim_threshold
            and not name.startswith(OPTIMIZER_PREFIX)
        )

    def _encoded(self, name: str, array: Array, seed: int) -> tuple[Packed, Entry]:
        raw = entry_of(name, array, RAW)
        if not self.compresses(name, array):
            return Packed({RAW: array}), raw
        if not is_finite(array):
            raise TensorError(f"tensor {name!r} holds NaN or infinity, which {self.name} cannot compress")
        values = np.ascontiguousarray(array, np.float32).reshape(-1)
        packed = self.pack(values, derived_seed(seed, name))
        return packed, Entry(raw.dtype, raw.shape, self.name, packed.parameters)

    def _decoded(self, name: str, entry: Entry, parts: dict[str, Array]) -> Array:
        compressed = self._compresses(name, entry.dtype, entry.count)
        if entry.form != (self.name if compressed else RAW):
            raise TensorError(f"it came in the form {entry.form!r:.80}, which is not what the plan says")
        if not compressed:
            return raw_part(entry, parts)
        values = self.unpack(Packed(parts, entry.parameters), entry.count)
        if not is_finite(values):
            raise TensorError("it decodes to NaN or infinity")
        limit = np.finfo(entry.dtype).max
        if entry.dtype != np.float32:
            np.clip(values, -limit, limit, out=values)
        return values.astype(entry.dtype, copy=False).reshape(entry.shape)


def raw_part(entry: Entry, parts: Tensors) -> Array:
    """Return a tensor that travelled as it is.

    Raises:
        TensorError: Its array is missing, has companions, or is not what the entry says.
    """
    if set(parts) != {RAW}:
        raise TensorError(f"it came with the parts {sorted(parts)} instead of just {RAW!r}")
    array = parts[RAW]
    if array.shape != entry.shape or array.dtype.newbyteorder("=") != entry.dtype:
        raise TensorError(
            f"it came as {array.dtype}{list(array.shape)} instead of {entry.dtype}{list(entry.shape)}"
        )
    return array


def _by_tensor(encoded: Encoded) -> dict[str, dict[str, Array]]:
    """Return the parts of each tensor: a part's name holds no colon, a tensor's may."""
    found: dict[str, dict[str, Array]] = {}
    for key, array in encoded.tensors.items():
        part, colon, name = key.partition(":")
        if not colon or not isinstance(array, np.ndarray):
            raise TensorError(f"{key!r:.80} is no part of a compressed tensor")
        found.setdefault(name, {})[part] = array
    return found
