"""What stands beside compressed tensors: for each its name, dtype, shape and the codec's parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fl_core.errors import TensorError
from fl_core.tensors import Array, Tensors
from fl_core.tensors.header import DEFAULT_LIMITS
from fl_core.tensors.raw import DTYPES, dtype_name

RAW: Final = "raw"
"""The form of a tensor that travels as it is."""

_MAX_DIMENSIONS: Final = 64


@dataclass(frozen=True)
class Encoded:
    """Tensors as they travel.

    Attributes:
        tensors: Arrays of dtypes that files hold, by ``part:name`` (just ``name`` without compression).
        metadata: Plain JSON: ``codec``, its name, and ``tensors``, by the model's names
            ``{"dtype", "shape", "form", "parameters"}``; form is ``raw`` or the codec's name.
    """

    tensors: Tensors
    metadata: Mapping[str, Any]

    @property
    def codec(self) -> str:
        """The codec's name.

        Raises:
            TensorError: The metadata has none.
        """
        name = self.metadata.get("codec")
        if not isinstance(name, str):
            raise TensorError("the metadata of compressed tensors names no codec")
        return name

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays; metadata (some 300 bytes a tensor) not counted."""
        return sum(array.nbytes for array in self.tensors.values())


@dataclass(frozen=True)
class Entry:
    """What the metadata says of one tensor, checked.

    Attributes:
        dtype: The original's.
        shape: The original's.
        form: ``raw``, or the codec's name.
        parameters: The codec's own, integers by name.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    form: str
    parameters: Mapping[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def plain(self) -> dict[str, Any]:
        """Return the entry as it stands in the metadata."""
        return {
            "dtype": self.dtype.name,
            "shape": list(self.shape),
            "form": self.form,
            "parameters": dict(self.parameters),
        }


def array_of(value: Array | np.generic) -> Array:
    """Return an array: arithmetic makes numpy scalars of arrays without dimensions.

    Example:
        >>> array_of(np.array(1.0) + np.array(2.0)).shape
        ()
    """
    return np.asarray(value) if isinstance(value, np.generic) else value


def entry_of(name: str, array: Array, form: str, parameters: Mapping[str, int] | None = None) -> Entry:
    """Return the entry of a tensor.

    Raises:
        TensorError: It is of a dtype that files do not hold.
    """
    return Entry(DTYPES[dtype_name(array, name)], array.shape, form, parameters or {})


def read_entries(metadata: Mapping[str, Any]) -> dict[str, Entry]:
    """Return what the metadata says, by tensor, in name order.

    Raises:
        TensorError: It is not what `Encoded` describes, or asks for more memory than files may.
    """
    described = metadata.get("tensors")
    if not isinstance(described, Mapping) or not all(isinstance(name, str) for name in described):
        raise TensorError("the metadata of compressed tensors describes no tensors")
    if len(described) > DEFAULT_LIMITS.tensors:
        raise TensorError(f"{len(described)} tensors are more than the {DEFAULT_LIMITS.tensors} allowed")
    entries = {name: _entry(name, described[name]) for name in sorted(described)}
    total = sum(entry.count * entry.dtype.itemsize for entry in entries.values())
    if total > DEFAULT_LIMITS.total_bytes:
        raise TensorError(f"{total} bytes of tensors are more than the {DEFAULT_LIMITS.total_bytes} allowed")
    return entries


def check_shapes(encoded: Encoded, template: Tensors, *, what: str) -> None:
    """Refuse compressed tensors that are not the template's, before any memory is spent on them.

    Tensors that travel raw are as large as they say and are left to the check of the result.

    Raises:
        TensorError: A compressed tensor is not in the template, or of another shape or dtype.
    """
    for name, entry in read_entries(encoded.metadata).items():
        if entry.form == RAW:
            continue
        if name not in template:
            raise TensorError(f"{what}: tensor {name!r} is no tensor of the model")
        expected = template[name]
        if entry.shape != expected.shape or entry.dtype != expected.dtype:
            raise TensorError(
                f"{what}: tensor {name!r} says {entry.dtype}{list(entry.shape)}; "
                f"it must be {expected.dtype}{list(expected.shape)}"
            )


def part_of(parts: Tensors, part: str, dtype: npt.DTypeLike, count: int | None = None) -> npt.NDArray[Any]:
    """Return one flat part of a compressed tensor.

    Raises:
        TensorError: It is missing, or of another dtype or length.
    """
    array = parts.get(part)
    if not isinstance(array, np.ndarray):
        raise TensorError(f"part {part!r} is missing")
    if array.ndim != 1 or array.dtype != np.dtype(dtype):
        raise TensorError(f"part {part!r} is {array.dtype}{list(array.shape)}; it must be flat {dtype}")
    if count is not None and array.size != count:
        raise TensorError(f"part {part!r} has {array.size} elements; there must be {count}")
    return array


def parameter_of(parameters: Mapping[str, int], key: str, least: int, most: int) -> int:
    """Return one parameter of a compressed tensor.

    Raises:
        TensorError: It is missing or out of range.
    """
    value = parameters.get(key)
    if value is None or not least <= value <= most:
        raise TensorError(f"parameter {key!r} is {value}; it must be from {least} to {most}")
    return value


def _entry(name: str, described: Any) -> Entry:
    if not isinstance(described, Mapping) or set(described) != {"dtype", "shape", "form", "parameters"}:
        raise TensorError(f"tensor {name!r}: the metadata must have dtype, shape, form and parameters")
    dtype, shape, form, parameters = (described[key] for key in ("dtype", "shape", "form", "parameters"))
    known = {candidate.name: candidate for candidate in DTYPES.values()}
    if not isinstance(dtype, str) or dtype not in known:
        raise TensorError(f"tensor {name!r}: the metadata has the dtype {dtype!r}")
    if not isinstance(shape, list) or len(shape) > _MAX_DIMENSIONS or not all(map(_is_size, shape)):
        raise TensorError(f"tensor {name!r}: the metadata has the shape {shape!r:.80}")
    if not isinstance(form, str):
        raise TensorError(f"tensor {name!r}: the metadata has the form {form!r:.80}")
    if not isinstance(parameters, Mapping) or not all(map(_is_integer, parameters.values())):
        raise TensorError(f"tensor {name!r}: the metadata has parameters other than integers")
    return Entry(known[dtype], tuple(shape), form, dict(parameters))


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_size(value: Any) -> bool:
    return _is_integer(value) and 0 <= value <= DEFAULT_LIMITS.total_bytes
