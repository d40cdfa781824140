"""The split: who trains and validates on what, and which cases stay hidden until the end."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from partitions.errors import DataError
from partitions.seeding import generator
from partitions.table import Part, Partition, Row, check_known, check_rows, write_partition

TRAIN_FRACTION = 0.8
TEST_FRACTION = 0.15


@dataclass(frozen=True)
class InstitutionSplit:
    """Case ids of one institution, each tuple sorted; train and validate are never empty."""

    train: tuple[str, ...]
    validate: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """A partition with every choice made.

    Attributes:
        institutions: By name, in the order in which updates are aggregated (plain text order).
        hidden: Hidden test cases that belong to no institution: the data has them, the CSV does not.
        source: The file or scheme that the partition came from.
    """

    institutions: Mapping[str, InstitutionSplit]
    hidden: tuple[str, ...]
    source: str

    @property
    def test_cases(self) -> tuple[tuple[str, str], ...]:
        """All hidden test cases as (institution, case); the institution is empty for `hidden`."""
        of_sites = [(name, case) for name, parts in self.institutions.items() for case in parts.test]
        return (*of_sites, *(("", case) for case in self.hidden))

    def to_partition(self) -> Partition:
        """Return the table with ``TrainOrVal`` of every row; `hidden` cases stay unnamed, as they were."""
        rows: list[Row] = []
        for name, parts in self.institutions.items():
            marked: tuple[tuple[Part, tuple[str, ...]], ...] = (
                ("train", parts.train),
                ("val", parts.validate),
                ("test", parts.test),
            )
            rows += [Row(name, case, part) for part, cases in marked for case in cases]
        return Partition(tuple(rows), self.source)

    def to_csv(self, path: Path) -> None:
        """Write the split so that reading and splitting it again gives the same split, whatever the seed.

        (On the same data and with the same `named_csv`, which decides about cases without a row.)

        Raises:
            DataError: The file cannot be written.
        """
        write_partition(self.to_partition(), path)


def split(
    partition: Partition,
    available_cases: Collection[str],
    *,
    seed: int,
    train_fraction: float = TRAIN_FRACTION,
    test_fraction: float = TEST_FRACTION,
    named_csv: bool,
) -> Split:
    """Divide every institution's cases into train, validate and hidden test.

    A given ``TrainOrVal`` is respected. Hidden test cases are the rows marked ``test`` and, with
    `named_csv`, the cases of the data that the partition does not name. If there are neither, each
    institution of n >= 3 cases gives max(1, floor(test_fraction * n + 0.5)) of its unmarked ones, as
    far as one to train and one to validate remain. Of the m others, floor(train_fraction * m) train,
    at least 1 and at most m - 1 (FeTS 2022, int(0.8 * n)).

    Each institution draws from a generator of its own, so its cases never shift another's.

    Args:
        partition: Which institution has which case.
        available_cases: Ids of the data folder's complete cases.
        seed: The run's seed.
        train_fraction: Share of the cases that are not hidden, in (0, 1).
        test_fraction: Share that is hidden where nothing else says which, in [0, 1).
        named_csv: Whether the partition is a CSV whose silence about a case means that it is hidden.

    Raises:
        DataError: A fraction is out of range, the partition names an unknown case, a case twice, or an
            institution cannot have one case to train and one to validate.
    """
    if not 0 < train_fraction < 1:
        raise DataError(f"train_fraction is {train_fraction}; it must lie between 0 and 1")
    if not 0 <= test_fraction < 1:
        raise DataError(f"test_fraction is {test_fraction}; it must be at least 0 and less than 1")
    check_rows(partition)
    check_known(partition, available_cases)
    named = {row.case for row in partition.rows}
    hidden = tuple(sorted(set(available_cases) - named)) if named_csv else ()
    draws_test = not hidden and not any(row.part == "test" for row in partition.rows)
    institutions = partition.institutions
    return Split(
        institutions={
            name: _split_institution(
                partition, institutions[name], seed, train_fraction, test_fraction if draws_test else 0.0
            )
            for name in sorted(institutions)
        },
        hidden=hidden,
        source=partition.source,
    )


def _split_institution(
    partition: Partition, rows: Sequence[Row], seed: int, train_fraction: float, test_fraction: float
) -> InstitutionSplit:
    name = rows[0].institution
    given = {part: [row.case for row in rows if row.part == part] for part in ("train", "val", "test")}
    train, validate, test = given["train"], given["val"], given["test"]
    free = sorted(row.case for row in rows if not row.part)
    order = generator(seed, "split", name).permutation(len(free))
    drawn = [free[index] for index in order]

    needed = (not train) + (not validate)
    n_test = min(_test_size(len(train) + len(validate) + len(drawn), test_fraction), len(drawn) - needed)
    if n_test > 0:
        test = test + drawn[:n_test]
        drawn = drawn[n_test:]
    if len(drawn) < needed:
        lacking = " and none ".join(
            what for what, cases in (("to train", train), ("to validate", validate)) if not cases
        )
        raise DataError(
            f"{partition.where(rows[0])}: institution {name!r} has no case {lacking}; mark one of its cases "
            "otherwise in TrainOrVal or leave some empty"
        )
    total = len(train) + len(validate) + len(drawn)
    target = min(max(math.floor(train_fraction * total + 1e-9), 1), total - 1)
    least = 0 if train else 1
    most = len(drawn) - (0 if validate else 1)
    n_train = min(max(target - len(train), least), most)
    return InstitutionSplit(
        train=tuple(sorted(train + drawn[:n_train])),
        validate=tuple(sorted(validate + drawn[n_train:])),
        test=tuple(sorted(test)),
    )


def _test_size(cases: int, fraction: float) -> int:
    if fraction == 0 or cases < 3:
        return 0
    return max(1, math.floor(fraction * cases + 0.5))
