"""The three functions of a FeTS submission, and how each wants to see the recorded rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tasks.task1_aggregation.errors import StrategyError

ParticipantFunction = Callable[..., Any]
View = Literal["iterator", "frame"]

NAMES = {
    "aggregation_function": 6,
    "choose_training_collaborators": 5,
    "training_hyper_parameters_for_round": 5,
}
"""The functions' names, and how many arguments each is called with, all by position."""


@dataclass(frozen=True)
class FetsFunctions:
    """A submission's functions; ``None`` takes the default.

    Attributes:
        aggregation_function: New value of one tensor. Default: the weighted average.
        choose_training_collaborators: Who trains. Default: all.
        training_hyper_parameters_for_round: Learning rate and epochs. Default: the plan's.

    Raises:
        StrategyError: One of them is no function, or cannot take the challenge's arguments.
    """

    aggregation_function: ParticipantFunction | None = None
    choose_training_collaborators: ParticipantFunction | None = None
    training_hyper_parameters_for_round: ParticipantFunction | None = None

    def __post_init__(self) -> None:
        for name, arguments in NAMES.items():
            function = getattr(self, name)
            if function is not None:
                _check(name, function, arguments)


def view_for(function: ParticipantFunction, default: View) -> View:
    """Return which view of the rows a function wants, by the name of its second parameter.

    ``tensor_db`` is 2022's table, ``db_iterator`` 2021's iterator; another name takes `default`.
    """
    parameters = _parameters(function)
    second = parameters[1] if parameters is not None and len(parameters) > 1 else ""
    if "iter" in second:
        return "iterator"
    return "frame" if second == "tensor_db" else default


def name_of(function: ParticipantFunction) -> str:
    """Return a function's name for messages, also that of a partial."""
    inner = getattr(function, "func", function)
    return str(getattr(inner, "__name__", type(inner).__name__))


def _check(name: str, function: object, arguments: int) -> None:
    if not callable(function):
        raise StrategyError("load", f"{name} is a {type(function).__name__}, not a function")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # written in C: the first call will tell
    try:
        signature.bind(*range(arguments))
    except TypeError:
        raise StrategyError(
            "load",
            f"{name} is {name_of(function)}{signature}, "
            f"but it is called with {arguments} arguments by position",
        ) from None


def _parameters(function: ParticipantFunction) -> list[str] | None:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None
