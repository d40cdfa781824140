"""Nested plain values with arrays in them, taken apart for JSON beside safetensors, and put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fl_core.errors import TensorError
from fl_core.tensors import Array, Tensors

ARRAY_KEY = "$array"


def split_arrays(value: Any, path: str = "value") -> tuple[Any, dict[str, Array]]:
    """Return the value with every array replaced by a reference, and the arrays by reference.

    Plain values are None, booleans, numbers, texts, lists, tuples (which become lists) and
    mappings with text keys; numpy scalars become Python numbers.

    Raises:
        TensorError: Something else is in it; the message tells where.

    Example:
        >>> plain, arrays = split_arrays({"momentum": np.zeros(2), "round": 3})
        >>> plain, list(arrays)
        ({'momentum': {'$array': '0'}, 'round': 3}, ['0'])
    """
    arrays: dict[str, Array] = {}
    return _split(value, path, arrays), arrays


def join_arrays(plain: Any, arrays: Tensors) -> Any:
    """Undo `split_arrays`; the arrays become writable copies.

    Raises:
        TensorError: An array that the value refers to is not there.
    """
    if isinstance(plain, Mapping):
        if set(plain) == {ARRAY_KEY}:
            if plain[ARRAY_KEY] not in arrays:
                raise TensorError(f"array {plain[ARRAY_KEY]!r} is missing")
            return np.array(arrays[plain[ARRAY_KEY]])
        return {key: join_arrays(item, arrays) for key, item in plain.items()}
    if isinstance(plain, list):
        return [join_arrays(item, arrays) for item in plain]
    return plain


def _split(value: Any, path: str, arrays: dict[str, Array]) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject or value.dtype.names:
            raise TensorError(f"{path} is an array of {value.dtype}; keep arrays of numbers")
        name = str(len(arrays))
        arrays[name] = value
        return {ARRAY_KEY: name}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_split(item, f"{path}[{index}]", arrays) for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {_key(key, path): _split(item, f"{path}[{key!r}]", arrays) for key, item in value.items()}
    raise TensorError(
        f"{path} is a {type(value).__name__}; keep arrays and plain values (numbers, text, lists, dicts)"
    )


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str) or key == ARRAY_KEY:
        raise TensorError(f"{path} has the key {key!r}; keys are texts")
    return key
