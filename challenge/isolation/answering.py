"""The child's side of a call: run the strategy's function, and make a message of what it returned."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from challenge.isolation.protocol import (
    MAX_NAMES,
    MAX_TEXT,
    Aggregated,
    Call,
    Configured,
    ConfigValues,
    Failed,
    Selected,
    grouped,
    prefixed,
    updates_of,
)
from fl_core.tensors import Array, Tensors
from tasks.task1_aggregation.context import RoundContext
from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.strategy import RoundConfig, Strategy
from tasks.task1_aggregation.submission_source import SubmissionSource

Answer = Selected | Configured | Aggregated


def answer_call(
    strategy: Strategy, call: Call, context: RoundContext, sets: Sequence[dict[str, Array]]
) -> tuple[Answer, Tensors]:
    """Call the strategy's function, and return the answer (without the state) and its arrays.

    Raises:
        StrategyError: What it returned is no answer.
        BaseException: Whatever its code raises.
    """
    if call.function == "select_sites":
        return Selected(call.number, _names(strategy.select_sites(context)), None), {}
    if call.function == "configure_round":
        return _configured(call.number, strategy.configure_round(context))
    model, arrays = sets
    updates = updates_of(call.updates, grouped(arrays, len(call.updates)))
    return Aggregated(call.number, None), _tensors(
        "aggregate", strategy.aggregate(context, model, updates), "a mapping of tensor name to array"
    )


def failure(error: BaseException, function: str, source: SubmissionSource | None) -> Failed:
    """Return the message for an error, and print its traceback, which only the log shows.

    Args:
        error: What was raised.
        function: The function that was called.
        source: The submission's code, to tell its own lines from other files'; None while it is loaded.
    """
    if isinstance(error, StrategyError):
        return failed(error.function, error.rule)
    traceback.print_exception(error, file=sys.stderr)
    reason, place = _text_of(error), _place(error, source)
    return failed(
        function,
        f"raised {type(error).__name__}"
        + (f": {reason}" if reason else "")
        + (f" ({place})" if place else ""),
    )


def failed(function: str, rule: str) -> Failed:
    """Return the message for a broken rule, cut to a length and to characters that can be sent."""
    sendable = rule.encode("utf-8", "replace").decode("utf-8")
    return Failed(function, sendable if len(sendable) <= MAX_TEXT else sendable[: MAX_TEXT - 1] + "…")


def _names(answer: Any) -> tuple[str, ...]:
    if isinstance(answer, (str, bytes)) or not isinstance(answer, Iterable):
        raise StrategyError("select_sites", f"returned {_kind(answer)}; a list of site names is wanted")
    names = list(islice(answer, MAX_NAMES + 1))
    if len(names) > MAX_NAMES:
        raise StrategyError("select_sites", f"returned more than {MAX_NAMES} names")
    for name in names:
        if not isinstance(name, str):
            raise StrategyError("select_sites", f"returned {name!r:.80}, {_kind(name)}; site names are texts")
        if len(name) > 256:
            raise StrategyError("select_sites", f"returned a name of {len(name)} characters")
    return tuple(str(name) for name in names)


def _configured(number: int, answer: Any) -> tuple[Configured, Tensors]:
    if isinstance(answer, RoundConfig):
        return Configured(number, (_values(answer),), None, None), prefixed([_broadcast(answer)])
    if not isinstance(answer, Mapping) or not all(isinstance(one, RoundConfig) for one in answer.values()):
        raise StrategyError(
            "configure_round",
            f"returned {_kind(answer)}; a RoundConfig, or a mapping of site name to RoundConfig, is wanted",
        )
    if len(answer) > MAX_NAMES or not all(isinstance(name, str) for name in answer):
        raise StrategyError("configure_round", f"at most {MAX_NAMES} site names, which are texts, are wanted")
    places: dict[int, int] = {}
    configs: list[RoundConfig] = []
    for config in answer.values():
        if id(config) not in places:
            places[id(config)] = len(configs)
            configs.append(config)
    sites = {str(name): places[id(config)] for name, config in answer.items()}
    values = tuple(_values(config) for config in configs)
    return Configured(number, values, sites, None), prefixed(_broadcast(config) for config in configs)


def _values(config: RoundConfig) -> ConfigValues:
    names: Any = config.local_names
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise StrategyError("configure_round", "local_names must be a tuple of tensor names")
    return ConfigValues(
        learning_rate=_number("learning_rate", config.learning_rate),
        epochs=_number("epochs", config.epochs),
        batches=_number("batches", config.batches),
        proximal_mu=_number("proximal_mu", config.proximal_mu),
        local_names=tuple(str(name) for name in names),
    )


def _number(field: str, value: Any) -> float | int | None:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool) or not (plain is None or isinstance(plain, (int, float))):
        raise StrategyError("configure_round", f"{field} is {_kind(value)}; a number is wanted")
    return plain


def _broadcast(config: RoundConfig) -> dict[str, Array]:
    return _tensors("configure_round", config.broadcast, "as broadcast, a mapping of name to array")


def _tensors(function: str, answer: Any, wanted: str) -> dict[str, Array]:
    if not isinstance(answer, Mapping):
        raise StrategyError(function, f"returned {_kind(answer)}; {wanted} is wanted")
    tensors: dict[str, Array] = {}
    for name, value in answer.items():
        if not isinstance(name, str):
            raise StrategyError(function, f"returned an array under {name!r:.80}; names are texts")
        try:
            tensors[str(name)] = np.asarray(value)
        except (TypeError, ValueError, RuntimeError) as error:
            # RuntimeError: a torch tensor that needs gradients or lies on a GPU.
            raise StrategyError(function, f"tensor {name!r} is {_kind(value)}, no array: {error}") from error
    return tensors


def _kind(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _text_of(error: BaseException) -> str:
    """Return an exception's text; a participant's own class may fail even at that."""
    make: Callable[[object], str] = str
    try:
        return make(error)[: MAX_TEXT // 2]
    except Exception as second:  # noqa: BLE001 - the border to the participant's code
        return f"(its text raised {type(second).__name__})"


def _place(error: BaseException, source: SubmissionSource | None) -> str:
    """Return the last place in the submission's own files that the error passed through, or nothing."""
    if source is None:
        return ""
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == source.filename:
            place = source.place(frame.lineno or 1)
        elif Path(frame.filename).is_relative_to(source.path.parent):
            place = f"{Path(frame.filename).name} line {frame.lineno}"
    return place
