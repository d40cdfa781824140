import pytest
from hypothesis import given
from hypothesis import strategies as st

from partitions.errors import DataError
from partitions.phantom.federation import DEFAULT, TINY, scaled


def test_the_default_is_unequal_and_different_everywhere() -> None:
    assert [spec.train_validation for spec in DEFAULT] == [12, 9, 7, 6, 4, 4]
    assert [spec.hidden for spec in DEFAULT] == [2] * 6
    assert len({spec.scanner for spec in DEFAULT}) == len({spec.tumours for spec in DEFAULT}) == 6


def test_tiny() -> None:
    assert [(spec.train_validation, spec.hidden) for spec in TINY] == [(3, 1), (2, 1), (2, 1)]


def test_the_own_number_changes_nothing() -> None:
    assert scaled(DEFAULT, 54) == DEFAULT


@given(st.integers(18, 400))
def test_scaling_keeps_the_total_the_order_of_sizes_and_enough_for_everyone(cases: int) -> None:
    federation = scaled(DEFAULT, cases)
    assert sum(spec.cases for spec in federation) == cases
    assert all(spec.train_validation >= 2 and spec.hidden >= 1 for spec in federation)
    sizes = [spec.train_validation for spec in federation]
    assert sizes == sorted(sizes, reverse=True)


def test_too_few_cases_say_how_many_are_needed() -> None:
    with pytest.raises(DataError, match="17 cases are too few for 6 institutions; ask for at least 18"):
        scaled(DEFAULT, 17)
