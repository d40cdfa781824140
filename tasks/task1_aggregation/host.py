"""Where a strategy runs: the experiment calls a `StrategyHost`, in this process or isolated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fl_core.tensors import Tensors
from tasks.task1_aggregation.context import RoundContext
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
    """Runs a strategy in this process, so that ``breakpoint()`` works. No protection at all."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._state: dict[str, Any] = {}

    def select_sites(self, context: RoundContext) -> list[str]:
        """Call the strategy's ``select_sites``."""
        context.state = self._state
        return list(self._strategy.select_sites(context))

    def configure_round(self, context: RoundContext) -> RoundConfig | dict[str, RoundConfig]:
        """Call the strategy's ``configure_round``."""
        context.state = self._state
        answer = self._strategy.configure_round(context)
        return answer if isinstance(answer, RoundConfig) else dict(answer)

    def aggregate(self, context: RoundContext, model: Tensors, updates: Sequence[Update]) -> Tensors:
        """Call the strategy's ``aggregate``."""
        context.state = self._state
        return self._strategy.aggregate(context, model, updates)

    @property
    def state(self) -> Mapping[str, Any]:
        """The strategy's persistent state."""
        return self._state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back a state taken from a checkpoint."""
        self._state = dict(state)

    def close(self) -> None:
        """Nothing to end."""
