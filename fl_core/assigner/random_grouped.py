"""Groups drawn anew each round, by percentages (the assigner of the paper's Fig. 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from fl_core.errors import InputError
from fl_core.seeding import generator

_EXACT: Final = 1e-9
"""Shares that differ by less are equal: the difference is one of rounding."""


@dataclass(frozen=True)
class RandomGroup:
    """A named group: its share of the collaborators (0 to 1) and what they do."""

    name: str
    percentage: float
    tasks: tuple[str, ...]


class RandomGroupedAssigner:
    """Shuffles the collaborators each round and deals them to the groups.

    Group sizes are the percentages of the count, rounded by largest remainder, so that they always add up
    to the count, whatever the percentages and the count. Groups of equal remainder draw lots each round: a
    single collaborator in two groups of one half is now in the one, now in the other.

    Args:
        groups: Their percentages add up to 1.
        seed: Every round draws from a generator of its own.

    Raises:
        InputError: A percentage is negative or they do not add up to 1.

    Example:
        >>> half = [RandomGroup("v", 0.5, ("validate",)), RandomGroup("t", 0.5, ("train",))]
        >>> assigner = RandomGroupedAssigner(half, seed=1)
        >>> sorted({assigner.assign(round, ["a"])["a"] for round in range(9)})
        [('train',), ('validate',)]
    """

    def __init__(self, groups: Sequence[RandomGroup], seed: int = 0) -> None:
        total = math.fsum(group.percentage for group in groups)
        if any(group.percentage < 0 for group in groups) or abs(total - 1) > 1e-6:
            shares = ", ".join(f"{group.name} {group.percentage}" for group in groups)
            raise InputError(f"percentages of the task groups must be at least 0 and add up to 1: {shares}")
        self._groups = tuple(groups)
        self._seed = seed

    def assign(self, round: int, collaborators: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return each collaborator's tasks, dealt by this round's shuffle."""
        names = sorted(collaborators)
        draw = generator(self._seed, "assigner", round)
        draw.shuffle(names)
        dealt: dict[str, tuple[str, ...]] = {}
        start = 0
        for group, size in zip(self._groups, self._sizes(len(names), draw), strict=True):
            dealt |= dict.fromkeys(names[start : start + size], group.tasks)
            start += size
        return {name: dealt[name] for name in collaborators}

    def _sizes(self, count: int, draw: np.random.Generator) -> list[int]:
        total = math.fsum(group.percentage for group in self._groups)
        exact = [count * group.percentage / total for group in self._groups]
        sizes = [math.floor(share + _EXACT) for share in exact]
        lots = draw.permutation(len(exact))
        remainders = [round((exact[i] - sizes[i]) / _EXACT) for i in range(len(exact))]
        by_remainder = sorted(range(len(exact)), key=lambda i: (-remainders[i], lots[i]))
        for index in by_remainder[: count - sum(sizes)]:
            sizes[index] += 1
        return sizes
