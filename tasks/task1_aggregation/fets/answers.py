"""What the participants' three functions may return, made into what the experiment expects."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, SupportsFloat

import numpy as np

from fl_core.tensors import Array
from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.strategy import RoundConfig

_LOG = logging.getLogger(__name__)


def selected_names(answer: object, function: str) -> list[str]:
    """Return the site names that a selection function answered with, each once.

    Args:
        answer: A list, tuple, set, array or other iterable of names.
        function: The function's name, for messages.

    Raises:
        StrategyError: It is no collection of names, or it is empty.
    """
    if answer is None or isinstance(answer, str | bytes) or not isinstance(answer, Iterable):
        came = "the text " + repr(answer) if isinstance(answer, str) else _kind(answer)
        raise StrategyError(
            "select_sites", f"{function} returned {came}; return a list of names such as ['1', '2']"
        )
    items = np.atleast_1d(answer).ravel() if isinstance(answer, np.ndarray) else answer
    names = sorted(items) if isinstance(items, set | frozenset) else list(items)
    strange = [name for name in names if not isinstance(name, str)]
    if strange:
        raise StrategyError(
            "select_sites",
            f"{function} returned {strange[0]!r} among the names; names are text, such as '1'",
        )
    if not names:
        raise StrategyError(
            "select_sites",
            f"{function} returned an empty selection; return at least one name "
            "(int(0.2 * n) is 0 for fewer than five sites: use max(1, ...))",
        )
    once = list(dict.fromkeys(str(name) for name in names))
    if len(once) < len(names):
        _LOG.warning("%s named a site more than once; %d names became %d", function, len(names), len(once))
    return once


def hyper_parameters(answer: object, function: str) -> RoundConfig:
    """Return the configuration that a hyper-parameter function answered with.

    Args:
        answer: ``(learning_rate, epochs)`` (2022), or ``(learning_rate, epochs, batches)`` with exactly
            one of the last two None (2021); numbers of any kind, also numpy's.
        function: The function's name, for messages.

    Raises:
        StrategyError: It has neither form, or holds something that is no number.
    """
    expected = "return (learning_rate, epochs), or (learning_rate, epochs, batches) with one of the two None"
    if isinstance(answer, str | Mapping) or not isinstance(answer, tuple | list | np.ndarray):
        raise StrategyError("configure_round", f"{function} returned {_kind(answer)}; {expected}")
    values = list(answer)
    if len(values) not in (2, 3):
        raise StrategyError("configure_round", f"{function} returned {len(values)} values; {expected}")
    learning_rate = _number(values[0], f"{function}'s learning rate")
    epochs = None if values[1] is None else _number(values[1], f"{function}'s epochs")
    if len(values) == 2:
        if epochs is None:
            _LOG.warning("%s returned None epochs; 1 is used", function)
            epochs = 1.0
        return RoundConfig(learning_rate=learning_rate, epochs=epochs)
    batches = None if values[2] is None else _number(values[2], f"{function}'s batches")
    if (epochs is None) == (batches is None):
        both = "neither" if epochs is None else "both"
        raise StrategyError(
            "configure_round", f"{function} returned {both} of epochs and batches; exactly one must be None"
        )
    if batches is None:
        return RoundConfig(learning_rate=learning_rate, epochs=epochs)
    if not batches.is_integer():
        raise StrategyError(
            "configure_round", f"{function} returned {batches!r} batches; it must be a whole number"
        )
    return RoundConfig(learning_rate=learning_rate, batches=int(batches))


def aggregated_tensor(answer: object, like: Array, tensor_name: str, function: str) -> Array:
    """Return an aggregate as an array of the model's dtype.

    Args:
        answer: An array of `like`'s shape, or what numpy makes one of (a list, a torch tensor, a number).
        like: The model's tensor.
        tensor_name: Its name, for messages.
        function: The function's name, for messages.

    Raises:
        StrategyError: It is no array of numbers, or has another shape.
    """
    try:
        array: Array = np.asarray(answer)
    except (TypeError, ValueError, RuntimeError) as error:
        raise StrategyError(
            "aggregate",
            f"{function} returned {_kind(answer)} for {tensor_name!r}, which is no array: {error}",
        ) from error
    if array.dtype.kind not in "fiub":
        what = "None" if answer is None else f"an array of dtype {array.dtype}"
        raise StrategyError(
            "aggregate", f"{function} returned {what} for {tensor_name!r}; return an array of numbers"
        )
    if array.shape != like.shape:
        raise StrategyError(
            "aggregate",
            f"{function} returned shape {array.shape} for {tensor_name!r}, which has shape {like.shape}",
        )
    if array.dtype == like.dtype:
        return array.copy()
    if like.dtype.kind in "iu" and array.dtype.kind == "f":
        if not np.all(np.isfinite(array)):
            raise StrategyError(
                "aggregate", f"{function} returned values that are not finite for {tensor_name!r}"
            )
        array = np.asarray(np.rint(array))
    with np.errstate(over="ignore"):  # an overflow becomes inf, and the experiment refuses that by name
        return array.astype(like.dtype)


def _number(value: Any, what: str) -> float:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(()).item()
    if isinstance(value, str | bytes) or not isinstance(value, SupportsFloat):
        raise StrategyError("configure_round", f"{what} is {_kind(value)}, not a number")
    return float(value)


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
