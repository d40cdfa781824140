import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partitions.errors import DataError
from partitions.schemes.base import Parameters, apportion, institution_count
from partitions.schemes.sizes import FETS23, FETS33
from partitions.table import numbered


def test_the_real_number_of_cases_gives_the_real_sizes() -> None:
    weights = [size for family in FETS33 for size in family]
    assert sum(FETS23) == sum(weights) == 1251 and (len(FETS23), len(weights)) == (23, 33)
    assert apportion(1251, FETS23) == list(FETS23)
    assert apportion(1251, weights) == weights
    assert [sum(family) for family in FETS33] == list(FETS23)


@pytest.mark.parametrize(
    ("total", "weights", "minimum", "expected"),
    [
        (10, [1, 1, 1], 2, [4, 3, 3]),
        (46, FETS23, 2, [2] * 23),
        (47, FETS23, 2, [3] + [2] * 22),
        (7, [0, 0, 0], 2, [3, 2, 2]),
        (0, [1, 2], 0, [0, 0]),
        (5, [0, 1], 0, [0, 5]),
        # Quotas 6.93, 2.58, 0.49 -> 7 + 3 + 0 by largest remainder.
        (10, [0.693, 0.258, 0.049], 0, [7, 3, 0]),
    ],
)
def test_worked_examples(total: int, weights: list[float], minimum: int, expected: list[int]) -> None:
    assert apportion(total, weights, minimum) == expected


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40), st.integers(0, 500), st.integers(0, 3))
def test_shares_add_up_keep_the_minimum_and_the_order(weights: list[float], more: int, minimum: int) -> None:
    total = minimum * len(weights) + more
    shares = apportion(total, weights, minimum)
    assert sum(shares) == total and min(shares) >= minimum
    for one, share in zip(weights, shares, strict=True):
        assert all(
            share <= other_share + 1
            for other, other_share in zip(weights, shares, strict=True)
            if other > one
        )


def test_the_number_of_institutions() -> None:
    natural = numbered([["a", "b"], ["c", "d"], ["e", "f"]], "natural")
    assert institution_count(natural, Parameters(), 10, "iid") == 3
    assert institution_count(None, Parameters(), 12, "iid") == 6
    assert institution_count(natural, Parameters(institutions=5), 10, "iid") == 5
    with pytest.raises(DataError, match=r"iid: 5 institutions need at least 10 cases.*there are 9"):
        institution_count(natural, Parameters(institutions=5), 9, "iid")
    with pytest.raises(DataError, match="at least one"):
        institution_count(natural, Parameters(institutions=0), 9, "iid")
