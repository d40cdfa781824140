"""What passes between the engine and a strategy stays the engine's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from plus_one_world import experiment, initial, play_all

from fl_core.tensors import Tensors
from tasks.task1_aggregation.context import RoundContext
from tasks.task1_aggregation.strategy import Strategy, Update


class KeepsWhatItReturned(Strategy):
    """Returns the same arrays in every round, raised once and lowered from then on."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def aggregate(self, context: RoundContext, model: Tensors, updates: Sequence[Update]) -> Tensors:
        if not self.arrays:
            self.arrays = {name: np.array(array) for name, array in model.items()}
        for array in self.arrays.values():
            array += 1 if context.round == 0 else -1
        return self.arrays


class PutsIntoTheModel(Strategy):
    """Uses the mapping that it was given for its answer."""

    def aggregate(self, context: RoundContext, model: Tensors, updates: Sequence[Update]) -> Tensors:
        for name in list(model):
            model[name] = model[name] + np.float32(1 if context.round == 0 else -1)  # type: ignore[index]
        return model


@pytest.mark.parametrize("strategy", [KeepsWhatItReturned, PutsIntoTheModel])
def test_a_strategy_in_this_process_cannot_change_the_best_model_later(strategy: type[Strategy]) -> None:
    state = play_all(experiment(strategy(), rounds=3))

    assert state.aggregator.best.round == 1
    np.testing.assert_array_equal(state.best["weight"], initial()["weight"] + 1)
    np.testing.assert_array_equal(state.model["weight"], initial()["weight"] - 1)
