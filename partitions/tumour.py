"""Tumour volumes: by them schemes divide cases, and tables describe institutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from partitions.case import Case
from partitions.reader import read_labels

Progress = Callable[[int, int], None]

_MM3_IN_ML = 1000.0


def tumour_volume(case: Case) -> float:
    """Return the volume of the whole tumour (labels 1, 2 and 4) in ml.

    Raises:
        DataError: The case has no labels or they cannot be read.
    """
    labels, geometry = read_labels(case)
    return float(np.count_nonzero(labels)) * float(np.prod(geometry.spacing)) / _MM3_IN_ML


def tumour_volumes(
    cases: Sequence[Case], *, workers: int = 2, progress: Progress | None = None
) -> dict[str, float]:
    """Return the whole tumour's volume in ml by case id, read by threads.

    Args:
        cases: Cases with labels.
        workers: Threads.
        progress: Called with (cases done, cases in all), from this thread.

    Raises:
        DataError: As `tumour_volume`.
    """
    volumes: dict[str, float] = {}
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for case, volume in zip(cases, pool.map(tumour_volume, cases), strict=True):
            volumes[case.id] = volume
            if progress is not None:
                progress(len(volumes), len(cases))
    return volumes
