"""`quantity-skew`: institutions of very unequal size whose cases are alike."""

from __future__ import annotations

from collections.abc import Mapping

from partitions.schemes.base import (
    Parameters,
    apportion,
    cut,
    hidden_cases,
    institution_count,
    open_cases,
    require_alpha,
    shuffled,
    with_hidden,
)
from partitions.seeding import generator
from partitions.table import Partition

NAME = "quantity-skew"


def quantity_skew(
    volumes: Mapping[str, float], natural: Partition | None, *, seed: int, parameters: Parameters
) -> Partition:
    """Return institutions with sizes in proportion to a draw from Dirichlet(alpha), two cases at least.

    Raises:
        DataError: There are fewer than two cases for each institution, or alpha is out of range.
    """
    require_alpha(parameters, NAME)
    cases = open_cases(volumes, natural)
    count = institution_count(natural, parameters, len(cases), NAME)
    weights = generator(seed, NAME, "sizes").dirichlet([parameters.alpha] * count)
    groups = cut(shuffled(cases, seed, NAME), apportion(len(cases), [float(weight) for weight in weights]))
    return with_hidden(groups, hidden_cases(natural), NAME, seed)
