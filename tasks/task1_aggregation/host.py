"""Where a strategy runs: the experiment calls a `StrategyHost`, in this process or isolated."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from fl_core.errors import TensorError
from fl_core.tensors import Tensors
from fl_core.tensors.tree import join_arrays, split_arrays
from tasks.task1_aggregation.context import RoundContext
from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.strategy import RoundConfig, Strategy, Update


class StrategyHost(Protocol):
    """A strategy behind a wall. Answers are raw; the experiment validates them.

    Every call raises `StrategyError` naming the function and the rule when the strategy raised,
    ran out of time, ended its process or sent something that is no answer.
    """

    def select_sites(self, context: RoundContext) -> list[str]:
        """Call the strategy's ``select_sites``."""
        ...

    def configure_round(self, context: RoundContext) -> RoundConfig | dict[str, RoundConfig]:
        """Call the strategy's ``configure_round``."""
        ...

    def aggregate(self, context: RoundContext, model: Tensors, updates: Sequence[Update]) -> Tensors:
        """Call the strategy's ``aggregate``."""
        ...

    @property
    def state(self) -> Mapping[str, Any]:
        """The strategy's persistent state as of the last call: arrays and plain values."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back a state taken from a checkpoint, before the first call."""
        ...

    def close(self) -> None:
        """End it; safe to call twice."""
        ...


class LocalHost:
    """Runs a strategy in this process, so that ``breakpoint()`` works. No protection at all.

    Args:
        strategy: What is called.
        submitted: Whether it is a participant's, whose errors become a `StrategyError`; an error in a
            strategy of our own passes as it is.
    """

    def __init__(self, strategy: Strategy, *, submitted: bool = False) -> None:
        self._strategy = strategy
        self._submitted = submitted
        self._state: dict[str, Any] = {}

    def select_sites(self, context: RoundContext) -> list[str]:
        """Call the strategy's ``select_sites``."""
        answer = self._call("select_sites", context)
        if isinstance(answer, str) or not isinstance(answer, Iterable):
            raise StrategyError("select_sites", f"it returned {_kind(answer)}; return the names of sites")
        return list(answer)

    def configure_round(self, context: RoundContext) -> RoundConfig | dict[str, RoundConfig]:
        """Call the strategy's ``configure_round``."""
        answer = self._call("configure_round", context)
        if isinstance(answer, RoundConfig):
            return answer
        if not isinstance(answer, Mapping):
            raise StrategyError(
                "configure_round", f"it returned {_kind(answer)}; return RoundConfig or a dict"
            )
        return dict(answer)

    def aggregate(self, context: RoundContext, model: Tensors, updates: Sequence[Update]) -> Tensors:
        """Call the strategy's ``aggregate``."""
        answer = self._call("aggregate", context, model, updates)
        if not isinstance(answer, Mapping):
            raise StrategyError("aggregate", f"it returned {_kind(answer)}; return arrays by name")
        return answer

    def _call(self, function: str, context: RoundContext, *arguments: Any) -> Any:
        """Call a function of the strategy; its state becomes what a resume would restore."""
        context.state = self._state
        try:
            answer = getattr(self._strategy, function)(context, *arguments)
        except StrategyError:
            raise
        except Exception as error:
            if not self._submitted:
                raise
            raise StrategyError(function, _raised(error)) from error
        try:
            self._state = join_arrays(*split_arrays(context.state, "context.state"))
        except TensorError as error:
            raise StrategyError(function, str(error)) from error
        return answer

    @property
    def state(self) -> Mapping[str, Any]:
        """The strategy's persistent state."""
        return self._state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back a state taken from a checkpoint."""
        self._state = dict(state)

    def close(self) -> None:
        """Nothing to end."""


def _raised(error: Exception) -> str:
    text = " ".join(str(error).split())
    place = traceback.extract_tb(error.__traceback__)[-1]
    what = type(error).__name__ + (f": {text}" if text else "")
    return f"raised {what} ({Path(place.filename).name} line {place.lineno}); --debug shows the traceback"


def _kind(answer: object) -> str:
    return "nothing" if answer is None else f"a {type(answer).__name__}"
