"""The weighted mean against the least that numpy can do: float32 sums in place, in memory that waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.aggregation.paired import paired_medians
from benchmarks.aggregation.work import Work
from benchmarks.report import Measurement
from fl_core.aggregation.base import SiteUpdate
from fl_core.aggregation.tensorwise import by_tensor, usable_threads
from fl_core.aggregation.weighted_mean import WeightedMean, normalised
from fl_core.tensors import Array, Tensors


def mean_case(work: Work, repeats: int, threads: int | None = None) -> Measurement:
    """Measure `WeightedMean` as the aggregator runs it, without the checks around it."""
    updates = work.updates()
    model = updates[0].tensors
    used = usable_threads() if threads is None else threads
    ours, floor = paired_medians(
        lambda: by_tensor(WeightedMean(), model, updates, lambda _, mean: mean, threads=used),
        in_place_mean(updates),
        repeats,
    )
    return Measurement(f"mean-{work.name}", ours, "s", "in-place float32 mean, one thread", floor)


def in_place_mean(updates: Sequence[SiteUpdate]) -> Callable[[], Tensors]:
    """Return a program that sums tensor by tensor in float32, into arrays that it made before.

    It neither allocates nor guards its precision, and one tensor at a time stays in the cache: a
    floor, not a rival.
    """
    weights = [np.float32(share) for share in normalised([update.samples for update in updates])]
    means: dict[str, Array] = {name: np.zeros_like(array) for name, array in updates[0].tensors.items()}
    room = np.zeros(max(mean.size for mean in means.values()), np.float32)

    def program() -> Tensors:
        for name, mean in means.items():
            product = room[: mean.size]
            np.multiply(updates[0].tensors[name], weights[0], out=mean)
            for update, weight in zip(updates[1:], weights[1:], strict=True):
                np.multiply(update.tensors[name], weight, out=product)
                np.add(mean, product, out=mean)
        return means

    return program
