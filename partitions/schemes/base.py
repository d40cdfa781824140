"""What a partition scheme is: a function from the cases at hand to a partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from partitions.errors import DataError
from partitions.seeding import generator
from partitions.table import Part, Partition, numbered

MIN_CASES = 2


@dataclass(frozen=True)
class Parameters:
    """What the user may set of a scheme.

    Attributes:
        institutions: How many there shall be; None: as many as the natural partition has, else 6.
        alpha: Concentration of the Dirichlet draws; small is skewed, large is even.
    """

    institutions: int | None = None
    alpha: float = 0.5


class Scheme(Protocol):
    """A rule that says which institution has which case."""

    def __call__(
        self, volumes: Mapping[str, float], natural: Partition | None, *, seed: int, parameters: Parameters
    ) -> Partition:
        """Return the partition.

        Args:
            volumes: Whole-tumour volume in ml by case id, of all cases at hand.
            natural: The data folder's own partition, if it has one.
            seed: The seed of every draw.
            parameters: The user's settings.

        Raises:
            DataError: The cases at hand do not suffice.
        """
        ...


def open_cases(volumes: Mapping[str, float], natural: Partition | None) -> list[str]:
    """Return the ids that a scheme may divide, sorted.

    What the natural partition hides (its test cases and those it does not name) stays hidden under
    every scheme, so that runs under different schemes end on the same test cases and can be compared
    case by case.
    """
    if natural is None:
        return sorted(volumes)
    return sorted(row.case for row in natural.rows if row.part != "test")


def hidden_cases(natural: Partition | None) -> list[str]:
    """Return the natural partition's test cases, sorted."""
    if natural is None:
        return []
    return sorted(row.case for row in natural.rows if row.part == "test")


def institution_count(natural: Partition | None, parameters: Parameters, cases: int, scheme: str) -> int:
    """Return how many institutions to make.

    Raises:
        DataError: The count is below one, or there are fewer than two cases for each.
    """
    wanted = parameters.institutions
    if wanted is None:
        wanted = len(natural.institutions) if natural is not None else 6
    if wanted < 1:
        raise DataError(f"{scheme}: {wanted} institutions were asked for; it takes at least one")
    require_cases(cases, wanted, scheme)
    return wanted


def require_cases(cases: int, institutions: int, scheme: str) -> None:
    """Check that every institution can have two cases.

    Raises:
        DataError: It cannot.
    """
    if cases < MIN_CASES * institutions:
        raise DataError(
            f"{scheme}: {institutions} institutions need at least {MIN_CASES * institutions} cases to train "
            f"and validate with, there are {cases}; add cases or choose fewer institutions or another scheme"
        )


def require_alpha(parameters: Parameters, scheme: str) -> None:
    """Check the concentration.

    Raises:
        DataError: It is not a positive finite number.
    """
    if not 0 < parameters.alpha < float("inf"):
        raise DataError(f"{scheme}: alpha is {parameters.alpha}; it must be positive and finite, e.g. 0.5")


def apportion(total: int, weights: Sequence[float], minimum: int = MIN_CASES) -> list[int]:
    """Divide a total into whole shares in proportion to weights, none below the minimum.

    Shares whose quota is below the minimum get the minimum; the rest is divided anew among the
    others, by largest remainder (Hamilton's method; of equal remainders the first in order).

    Args:
        total: At least `minimum` times the number of weights.
        weights: Positive or zero, at least one positive.
        minimum: The smallest share.

    Example:
        >>> apportion(12, [511, 6, 15], minimum=2)
        [8, 2, 2]
    """
    small: set[int] = set()
    while True:
        rest = total - minimum * len(small)
        others = [index for index in range(len(weights)) if index not in small]
        weight = sum(weights[index] for index in others)
        if weight <= 0:
            quotas = {index: rest / len(others) for index in others}
        else:
            quotas = {index: rest * (weights[index] / weight) for index in others}
        below = {index for index, quota in quotas.items() if quota < minimum}
        if not below or below == set(others):
            break
        small |= below
    shares = {index: max(minimum, int(quota)) for index, quota in quotas.items()}
    by_remainder = sorted(others, key=lambda index: (shares[index] - quotas[index], index))
    spare = rest - sum(shares.values())
    for position in range(spare):
        shares[by_remainder[position % len(others)]] += 1
    return [shares.get(index, minimum) for index in range(len(weights))]


def with_hidden(groups: Sequence[Sequence[str]], hidden: Sequence[str], source: str, seed: int) -> Partition:
    """Number the groups and deal the hidden test cases to them, in proportion to their sizes."""
    marks: dict[str, Part] = {case: "test" for case in hidden}
    shares = apportion(len(hidden), [len(group) for group in groups], minimum=0)
    order = [hidden[index] for index in generator(seed, "hidden cases", source).permutation(len(hidden))]
    dealt: list[list[str]] = []
    start = 0
    for group, share in zip(groups, shares, strict=True):
        dealt.append([*group, *order[start : start + share]])
        start += share
    return numbered(dealt, source, marks)


def shuffled(cases: Sequence[str], seed: int, purpose: str) -> list[str]:
    """Return the cases in a seeded order."""
    return [cases[index] for index in generator(seed, purpose).permutation(len(cases))]


def cut(cases: Sequence[str], sizes: Sequence[int]) -> list[list[str]]:
    """Cut a sequence into consecutive groups of the given sizes."""
    groups: list[list[str]] = []
    start = 0
    for size in sizes:
        groups.append(list(cases[start : start + size]))
        start += size
    return groups
