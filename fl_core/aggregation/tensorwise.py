"""Aggregation of one tensor after another, so that no update has to be in memory as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from fl_core.aggregation.base import SiteUpdate
from fl_core.tensors import Array, Tensors

T = TypeVar("T")


class TensorRule(Protocol):
    """Makes one tensor of the next model. It is called from several threads, in any order."""

    def __call__(self, name: str, model: Array, updates: Sequence[Array]) -> Array:
        """Return the tensor, of the shape and dtype of `model`.

        Args:
            name: The tensor's name.
            model: It in the global model, read-only.
            updates: It in each update, in the updates' order, read-only; not to be kept.
        """
        ...


@runtime_checkable
class Tensorwise(Protocol):
    """An aggregation that can make its result tensor by tensor.

    What concerns the updates as a whole is settled in `begin`: weights from their samples, or
    distances between them, for which it may read their tensors one at a time.
    """

    def begin(self, model: Tensors, updates: Sequence[SiteUpdate]) -> TensorRule:
        """Return the rule for each tensor of this round's aggregate."""
        ...


def usable_threads() -> int:
    """Return how many threads serve a sum: two saturate the memory of the machines at hand."""
    return min(2, len(os.sched_getaffinity(0)))


def by_tensor(
    function: Tensorwise,
    model: Tensors,
    updates: Sequence[SiteUpdate],
    finish: Callable[[str, Array], T],
    *,
    threads: int,
) -> dict[str, T]:
    """Return what `finish` makes of each aggregated tensor, by name.

    At any time a thread has one tensor of each update in use, and no more. Neither their number nor
    the order in which they end changes a byte.

    Args:
        function: The aggregation.
        model: The global model.
        updates: The round's updates, in name order; their tensors may be lazy.
        finish: Takes a name and its aggregate, e.g. to check it while it is in the cache.
        threads: How many work at the same time.

    Raises:
        Exception: What the rule or `finish` raised for the first tensor in name order.

    Example:
        >>> import numpy as np
        >>> from fl_core.aggregation.weighted_mean import WeightedMean
        >>> updates = [SiteUpdate("a", {"w": np.zeros(2)}, 1), SiteUpdate("b", {"w": np.ones(2)}, 3)]
        >>> by_tensor(WeightedMean(), {"w": np.zeros(2)}, updates, lambda _, mean: mean.tolist(), threads=2)
        {'w': [0.75, 0.75]}
    """
    rule = function.begin(model, updates)

    def make(name: str) -> T:
        return finish(name, rule(name, model[name], [update.tensors[name] for update in updates]))

    names = sorted(model)
    if threads == 1 or len(names) == 1:
        return {name: make(name) for name in names}
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads, thread_name_prefix="aggregation") as pool:
        # The largest first, so that no thread is left alone with it in the end.
        sizes = {name: model[name].nbytes for name in names}
        made = {name: pool.submit(make, name) for name in sorted(names, key=lambda name: -sizes[name])}
        try:
            return {name: made[name].result() for name in names}
        finally:
            pool.shutdown(cancel_futures=True)
