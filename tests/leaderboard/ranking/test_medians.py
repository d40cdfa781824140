from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.ranking.medians import doubled_medians


@settings(deadline=None, max_examples=50)
@given(
    data=st.data(),
    columns=st.integers(1, 4),
    cases=st.integers(1, 12),
    resamples=st.integers(1, 3),
)
def test_it_is_numpy_s_median_with_every_case_repeated_as_often_as_it_was_drawn(
    data: st.DataObject, columns: int, cases: int, resamples: int
) -> None:
    values = np.array(
        data.draw(st.lists(st.integers(0, 9), min_size=columns * cases, max_size=columns * cases))
    ).reshape(columns, cases)
    counts = np.array(
        data.draw(st.lists(st.integers(0, 2), min_size=resamples * cases, max_size=resamples * cases))
    ).reshape(resamples, cases)
    counts[:, data.draw(st.integers(0, cases - 1))] += 1

    found = doubled_medians(values, counts.astype(np.uint32))

    for resample in range(resamples):
        drawn = np.repeat(values, counts[resample], axis=1)
        assert found[:, resample].tolist() == (2 * np.median(drawn, axis=1)).tolist()


@pytest.mark.parametrize("cases", [254, 255, 256, 257, 3000])
def test_many_cases_do_not_overflow(cases: int) -> None:
    values = np.random.default_rng(0).normal(size=(70, cases))

    found = doubled_medians(values, np.ones((2, cases), np.uint32))

    assert found[:, 0] == pytest.approx(2 * np.median(values, axis=1))
    assert (found[:, 0] == found[:, 1]).all()
