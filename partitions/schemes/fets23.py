"""`fets23`: as many institutions, of the same relative sizes, as FeTS 2022's first partition."""

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
from partitions.schemes.sizes import FETS23
from partitions.table import Partition

NAME = "fets23"


def fets23(
    volumes: Mapping[str, float], natural: Partition | None, *, seed: int, parameters: Parameters
) -> Partition:
    """Return 23 institutions with the real sizes scaled to the cases at hand, two cases at least.

    Raises:
        DataError: There are fewer than 46 cases beside the test cases.
    """
    cases = open_cases(volumes, natural)
    require_cases(len(cases), len(FETS23), NAME)
    groups = cut(shuffled(cases, seed, NAME), apportion(len(cases), FETS23))
    return with_hidden(groups, hidden_cases(natural), NAME, seed)
