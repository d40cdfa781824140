"""An array as raw bytes: its dtype's name in safetensors, and its little-endian, C-ordered content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fl_core.errors import TensorError
from fl_core.tensors import Array

DTYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "BOOL": np.dtype("?"),
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "F16": np.dtype("<f2"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "F32": np.dtype("<f4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
    "C64": np.dtype("<c8"),
}
"""The dtypes that both numpy and safetensors know, by their name in safetensors."""

_NAMES: Final[Mapping[tuple[str, int], str]] = {
    (dtype.kind, dtype.itemsize): name for name, dtype in DTYPES.items()
}


def dtype_name(array: Array, tensor: str) -> str:
    """Return the name of an array's dtype, whatever its byte order.

    Args:
        array: The array.
        tensor: Its name, for the message.

    Raises:
        TensorError: It is no array, or of a dtype that files do not hold.

    Example:
        >>> dtype_name(np.zeros(3, ">f4"), "bias")
        'F32'
    """
    if not isinstance(array, np.ndarray):
        raise TensorError(f"tensor {tensor!r} is a {type(array).__name__}; make it a numpy array")
    # bfloat16 comes as an extension of kind V, which no entry has.
    name = _NAMES.get((array.dtype.kind, array.dtype.itemsize))
    if name is None:
        raise TensorError(
            f"tensor {tensor!r} has dtype {array.dtype}, which cannot be stored; use one of "
            f"{', '.join(dtype.name for dtype in DTYPES.values())}"
        )
    return name


def raw_bytes(array: Array, tensor: str) -> npt.NDArray[np.uint8]:
    """Return an array's content as flat bytes, little-endian in C order; a view where that is possible.

    Booleans become 0 and 1, so that equal arrays have equal bytes.

    Args:
        array: Any array of a dtype in `DTYPES`.
        tensor: Its name, for the message.

    Raises:
        TensorError: See `dtype_name`.
    """
    dtype = DTYPES[dtype_name(array, tensor)]
    ordered = array.astype(dtype, order="C", copy=False, subok=False).reshape(-1)
    if dtype.kind == "b":
        ordered = ordered.view(np.uint8) != 0
    return ordered.view(np.uint8)
