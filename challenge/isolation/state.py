"""A strategy's persistent state: between the processes, and what the harness was last told of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from fl_core.errors import TensorError
from fl_core.ipc.frames import BadFrame
from fl_core.ipc.shared import BadTensors, SharedFile, pack, unpack
from fl_core.tensors import Array, Tensors
from fl_core.tensors.tree import join_arrays, split_arrays
from tasks.task1_aggregation.errors import StrategyError


def state_to_bytes(state: Mapping[str, Any]) -> tuple[bytes, dict[str, Array]]:
    """Return a strategy's state as JSON, and its arrays.

    Raises:
        TensorError: Something in it is neither an array nor a plain value, or it holds itself.
    """
    try:
        plain, arrays = split_arrays(state, "context.state")
        return json.dumps(plain, separators=(",", ":")).encode(), arrays
    except RecursionError as error:
        raise TensorError("context.state is nested too deeply, or holds itself") from error
    except ValueError as error:
        raise TensorError(f"context.state holds a value that cannot be kept: {error}") from error


def state_from_bytes(content: bytes, arrays: Tensors) -> dict[str, Any]:
    """Undo `state_to_bytes`; the arrays are writable copies.

    Raises:
        BadFrame: The content is no state, or refers to arrays that are not there.
    """
    try:
        state = join_arrays(json.loads(content), arrays)
    except (ValueError, RecursionError, TensorError, TypeError) as error:
        raise BadFrame(f"a state that cannot be read: {error}") from error
    if not isinstance(state, dict):
        raise BadFrame("a state that is no mapping")
    return state


class StrategyState:
    """The strategy's ``context.state``, and what the harness was last told of it."""

    def __init__(self) -> None:
        self.live: dict[str, Any] = {}
        self._told: bytes = b"{}"
        self._told_arrays: dict[str, Array] = {}

    def restore(self, content: bytes, arrays: dict[str, Array]) -> None:
        """Take over a state from a checkpoint."""
        self.live = state_from_bytes(content, arrays)
        self._told, self._told_arrays = content, arrays

    def changes(self, state: Any, function: str) -> tuple[bytes | None, SharedFile]:
        """Return the state if it differs from what was told last (else None), and its packed arrays.

        The live state becomes what a resume would restore: numbers instead of NumPy scalars, lists
        instead of tuples, no array in two places. So a run that is resumed and one that is not go on
        from the same.

        Raises:
            StrategyError: It is no mapping, or holds what cannot be kept.
        """
        if not isinstance(state, dict):
            raise StrategyError(function, f"context.state became a {type(state).__name__}; it is a dict")
        try:
            content, arrays = state_to_bytes(state)
            if content == self._told and _same(arrays, self._told_arrays):
                self.restore(self._told, self._told_arrays)
                return None, pack({})
            file = pack(arrays)
        except (TensorError, BadTensors) as error:
            raise StrategyError(function, str(error)) from error
        # What is sealed and sent is also the copy to compare the next state with.
        self.restore(content, unpack(file.handle, file.layout))
        return content, file


def _same(some: dict[str, Array], others: dict[str, Array]) -> bool:
    return some.keys() == others.keys() and all(_same_bytes(some[name], others[name]) for name in some)


def _same_bytes(one: Array, other: Array) -> bool:
    if one.dtype.newbyteorder("<") != other.dtype or one.shape != other.shape:
        return False
    # As bytes, since NaN is not equal to itself, and 0.0 is equal to -0.0.
    left, right = (
        np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1) for array in (one, other)
    )
    return bool(np.array_equal(left.view(np.uint8), right.view(np.uint8)))
