"""Times of two programs that take turns, so that both meet the same machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def paired_medians(
    one: Callable[[], object], other: Callable[[], object], repeats: int
) -> tuple[float, float]:
    """Return the median seconds of two programs that run in turn, after one run of each.

    Example:
        >>> medians = paired_medians(lambda: sum(range(100)), lambda: None, 3)
        >>> medians[0] > medians[1]
        True
    """
    times: tuple[list[float], list[float]] = [], []
    for repeat in range(repeats + 1):
        for program, taken in zip((one, other), times, strict=True):
            begin = time.perf_counter()
            result = program()
            if repeat:
                taken.append(time.perf_counter() - begin)
            del result  # its memory is given back outside the time
    return statistics.median(times[0]), statistics.median(times[1])
