"""`iid`: the cases shuffled and dealt in equal numbers, so that institutions differ by chance alone."""

from __future__ import annotations

from collections.abc import Mapping

from partitions.schemes.base import (
    Parameters,
    apportion,
    cut,
    hidden_cases,
    institution_count,
    open_cases,
    shuffled,
    with_hidden,
)
from partitions.table import Partition

NAME = "iid"


def iid(
    volumes: Mapping[str, float], natural: Partition | None, *, seed: int, parameters: Parameters
) -> Partition:
    """Return institutions of equal size (to one case) with random cases.

    Raises:
        DataError: There are fewer than two cases for each institution.
    """
    cases = open_cases(volumes, natural)
    count = institution_count(natural, parameters, len(cases), NAME)
    groups = cut(shuffled(cases, seed, NAME), apportion(len(cases), [1.0] * count))
    return with_hidden(groups, hidden_cases(natural), NAME, seed)
