"""`fets33`: FeTS 2022's second partition, scaled: 18 institutions, and 5 more in thirds by tumour size."""

from __future__ import annotations

from collections.abc import Mapping

from partitions.schemes.base import (
    Parameters,
    apportion,
    cut,
    hidden_cases,
    open_cases,
    require_cases,
    shuffled,
    with_hidden,
)
from partitions.schemes.sizes import FETS33
from partitions.schemes.tumour_size import by_volume
from partitions.table import Partition

NAME = "fets33"


def fets33(
    volumes: Mapping[str, float], natural: Partition | None, *, seed: int, parameters: Parameters
) -> Partition:
    """Return 33 institutions with the real sizes scaled to the cases at hand, two cases at least.

    The thirds of one institution are small, middle and large tumours of a common random draw.

    Raises:
        DataError: There are fewer than 66 cases beside the test cases.
    """
    cases = open_cases(volumes, natural)
    weights = [size for family in FETS33 for size in family]
    require_cases(len(cases), len(weights), NAME)
    sizes = iter(apportion(len(cases), weights))
    families = [[next(sizes) for _ in family] for family in FETS33]
    drawn = cut(shuffled(cases, seed, NAME), [sum(family) for family in families])
    groups = [
        group
        for family, members in zip(families, drawn, strict=True)
        for group in cut(by_volume(members, volumes), family)
    ]
    return with_hidden(groups, hidden_cases(natural), NAME, seed)
