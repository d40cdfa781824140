from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from leaderboard.ranking.by_tests import Z_AT_5_PERCENT
from leaderboard.ranking.wilcoxon import signed_ranks


def by_scipy(differences: np.ndarray, alternative: str) -> float:
    if not differences.any():
        return -np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = stats.wilcoxon(
            differences, alternative=alternative, zero_method="wilcox", correction=True, method="asymptotic"
        )
    return float(found.zstatistic)


@settings(deadline=None, max_examples=40)
@given(data=st.data(), pairs=st.integers(1, 5), cases=st.integers(2, 8), resamples=st.integers(1, 3))
def test_z_is_that_of_scipy_with_every_case_repeated_as_often_as_it_was_drawn(
    data: st.DataObject, pairs: int, cases: int, resamples: int
) -> None:
    small = st.integers(-3, 3)
    differences = np.array(
        data.draw(st.lists(small, min_size=pairs * cases, max_size=pairs * cases)), np.float64
    ).reshape(pairs, cases)
    counts = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=resamples * cases, max_size=resamples * cases))
    ).reshape(resamples, cases)

    found = signed_ranks(differences / 4, counts.astype(np.uint32))
    greater, less = found.z()

    for pair in range(pairs):
        for resample in range(resamples):
            drawn = np.repeat(differences[pair], counts[resample])
            if len(drawn):
                assert greater[pair, resample] == pytest.approx(by_scipy(drawn, "greater"))
                # scipy's z for "less" is negative where x is less; here both are positive for "yes".
                expected = by_scipy(drawn, "less")
                assert less[pair, resample] == pytest.approx(-expected if drawn.any() else -np.inf)
    assert (found.significant(Z_AT_5_PERCENT)[0] == (greater >= Z_AT_5_PERCENT)).all()
    assert (found.significant(Z_AT_5_PERCENT)[1] == (less >= Z_AT_5_PERCENT)).all()


@pytest.mark.parametrize("cases", [254, 255, 256, 400, 70_000])
def test_many_cases_do_not_overflow(cases: int) -> None:
    sizes = np.arange(1, cases + 1, dtype=np.float64)
    differences = np.array([sizes, -sizes, np.where(np.arange(cases) % 3, sizes, -sizes)])

    found = signed_ranks(differences, np.ones((1, cases), np.uint32))

    whole = cases * (cases + 1) / 2
    assert found.positive[:2, 0].tolist() == [whole, 0]
    assert found.positive[2, 0] == sizes[np.arange(cases) % 3 > 0].sum()
    assert found.nonzero[:, 0].tolist() == [cases] * 3


def test_sizes_that_are_the_same_but_for_rounding_tie() -> None:
    found = signed_ranks(np.array([[0.9 - 0.8, -(0.8 - 0.7), 0.5]]), np.ones((1, 3), np.uint32))

    assert 0.9 - 0.8 != 0.8 - 0.7
    assert found.positive.item() == 1.5 + 3
    assert found.tie_sum.item() == 2**3 - 2
