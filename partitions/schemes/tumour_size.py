"""`tumour-size`: the largest institutions are cut by tumour size, as FeTS 2022's second partition was."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from partitions.errors import DataError
from partitions.schemes.base import MIN_CASES, Parameters, hidden_cases
from partitions.table import Part, Partition, numbered

NAME = "tumour-size"
PIECES = 3


def tumour_size(
    volumes: Mapping[str, float], natural: Partition | None, *, seed: int, parameters: Parameters
) -> Partition:
    """Return the natural partition with its largest institutions cut into thirds by tumour size.

    FeTS cut the 5 largest of 23; here it is the same share of the institutions, rounded up, among those
    that have two cases for each third. A third takes the place of its institution in the numbering,
    small tumours first. Test cases follow the third that their size belongs to.

    Raises:
        DataError: There is no natural partition, or no institution is large enough.
    """
    if natural is None:
        raise DataError(f"{NAME}: needs the natural institutions; put a partition.csv into the data folder")
    hidden = set(hidden_cases(natural))
    members = {
        name: by_volume([row.case for row in rows if row.case not in hidden], volumes)
        for name, rows in natural.institutions.items()
    }
    tests = {
        name: [row.case for row in rows if row.case in hidden] for name, rows in natural.institutions.items()
    }
    divided = _largest({name: len(cases) for name, cases in members.items()})
    groups: list[list[str]] = []
    for name, cases in members.items():
        pieces = quantile_groups(cases, PIECES) if name in divided else [cases]
        groups += _with_tests(pieces, tests[name], volumes)
    marks: dict[str, Part] = {case: "test" for case in hidden}
    return numbered(groups, NAME, marks)


def by_volume(cases: Sequence[str], volumes: Mapping[str, float]) -> list[str]:
    """Return the cases sorted by tumour volume, equal volumes by id."""
    return sorted(cases, key=lambda case: (volumes[case], case))


def quantile_groups(ordered: Sequence[str], count: int) -> list[list[str]]:
    """Cut a sorted sequence at its quantiles: group k begins at ceil((n - 1) * k / count).

    These are the cuts of FeTS 2022's second partition (511 cases: 170, 170, 171; 47: 16, 15, 16).
    """
    last = len(ordered) - 1
    edges = [0, *(math.ceil(last * part / count) for part in range(1, count)), len(ordered)]
    return [list(ordered[start:end]) for start, end in itertools.pairwise(edges)]


def _largest(sizes: Mapping[str, int]) -> set[str]:
    names = list(sizes)
    eligible = [name for name in names if sizes[name] >= MIN_CASES * PIECES]
    if not eligible:
        raise DataError(
            f"{NAME}: no institution has the {MIN_CASES * PIECES} cases that it takes to cut it into thirds; "
            "add cases or choose another scheme"
        )
    wanted = math.ceil(5 * len(names) / 23)
    return set(sorted(eligible, key=lambda name: (-sizes[name], names.index(name)))[:wanted])


def _with_tests(
    pieces: Sequence[list[str]], tests: Sequence[str], volumes: Mapping[str, float]
) -> list[list[str]]:
    starts = [volumes[piece[0]] for piece in pieces]
    groups = [list(piece) for piece in pieces]
    for case in tests:
        place = sum(volumes[case] >= start for start in starts[1:])
        groups[place].append(case)
    return groups
