import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from partitions.case import Case, find_cases
from partitions.errors import DataError
from partitions.schemes.base import Parameters
from partitions.schemes.registry import SCHEMES, choose_partition, natural_partition


@pytest.fixture
def data(make_case: Callable[..., Path]) -> Path:
    for number in range(6):
        folder = make_case(f"c{number}", seed=number)
    rows = "".join(f"{1 + number // 3},c{number}\n" for number in range(6))
    (folder.parent / "partition.csv").write_text("Partition_ID,Subject_ID\n" + rows)
    return folder.parent


def cases_of(data: Path) -> tuple[Case, ...]:
    return find_cases(data).cases


def test_a_scheme_by_name(data: Path) -> None:
    natural = choose_partition("natural", data, cases_of(data), seed=0)
    assert {name: len(rows) for name, rows in natural.institutions.items()} == {"1": 3, "2": 3}
    made = choose_partition("iid", data, cases_of(data), seed=0, parameters=Parameters(institutions=3))
    assert {name: len(rows) for name, rows in made.institutions.items()} == {"1": 2, "2": 2, "3": 2}


def test_tumour_volumes_are_read_only_where_needed(data: Path) -> None:
    calls: list[tuple[int, int]] = []
    choose_partition("iid", data, cases_of(data), seed=0, progress=lambda *call: calls.append(call))
    assert calls == []
    choose_partition("dirichlet", data, cases_of(data), seed=0, progress=lambda *call: calls.append(call))
    assert calls == [(done, 6) for done in range(1, 7)]


def test_a_csv_by_path(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("Partition_ID,Subject_ID\n01,c4\n01,c5\n")
    assert list(choose_partition(str(path), data, cases_of(data), seed=0).institutions) == ["01"]


def test_neither_is_an_error_with_the_nearest(data: Path) -> None:
    with pytest.raises(
        DataError, match=r"dirichlett: neither a CSV file nor a scheme; did you mean dirichlet\?"
    ):
        choose_partition("dirichlett", data, cases_of(data), seed=0)
    with pytest.raises(DataError, match=r"gone\.csv: no such partition CSV"):
        choose_partition("gone.csv", data, cases_of(data), seed=0)


def test_the_natural_partition_must_fit_the_data(data: Path) -> None:
    with pytest.raises(DataError, match=r"partition\.csv, line 2: case 'c0' is not a complete case"):
        natural_partition(data, cases_of(data)[1:])
    (data / "partition.csv").unlink()
    assert natural_partition(data, cases_of(data)) is None


def test_the_names_are_those_that_the_schemes_use_in_errors() -> None:
    assert all(name == sys.modules[entry.function.__module__].NAME for name, entry in SCHEMES.items())
    assert list(SCHEMES) == [
        "natural",
        "tumour-size",
        "iid",
        "dirichlet",
        "quantity-skew",
        "fets23",
        "fets33",
    ]
