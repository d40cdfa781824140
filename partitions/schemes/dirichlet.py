"""`dirichlet`: every tumour size is spread unevenly over the institutions.

As label skew is made in the federated-learning literature (Hsu, Qi and Brown 2019, arXiv:1909.06335),
with bins of tumour size in the place of classes.
"""

from __future__ import annotations

from collections.abc import Mapping

from partitions.schemes.base import (
    MIN_CASES,
    Parameters,
    apportion,
    hidden_cases,
    institution_count,
    open_cases,
    require_alpha,
    shuffled,
    with_hidden,
)
from partitions.schemes.tumour_size import by_volume, quantile_groups
from partitions.seeding import generator
from partitions.table import Partition

NAME = "dirichlet"
BINS = 4


def dirichlet(
    volumes: Mapping[str, float], natural: Partition | None, *, seed: int, parameters: Parameters
) -> Partition:
    """Return institutions that each hold a share p of every quarter of tumour sizes, p ~ Dirichlet(alpha).

    An institution left with fewer than two cases gets the last dealt of the largest one.

    Raises:
        DataError: There are fewer than two cases for each institution, or alpha is out of range.
    """
    require_alpha(parameters, NAME)
    cases = open_cases(volumes, natural)
    count = institution_count(natural, parameters, len(cases), NAME)
    groups: list[list[str]] = [[] for _ in range(count)]
    for number, members in enumerate(quantile_groups(by_volume(cases, volumes), BINS)):
        shares = generator(seed, NAME, "shares", number).dirichlet([parameters.alpha] * count)
        order = shuffled(members, seed, f"{NAME} bin {number}")
        start = 0
        for group, size in zip(
            groups, apportion(len(order), [float(s) for s in shares], minimum=0), strict=True
        ):
            group += order[start : start + size]
            start += size
    _fill_up(groups)
    return with_hidden(groups, hidden_cases(natural), NAME, seed)


def _fill_up(groups: list[list[str]]) -> None:
    while len(smallest := min(groups, key=len)) < MIN_CASES:
        smallest.append(max(groups, key=len).pop())
