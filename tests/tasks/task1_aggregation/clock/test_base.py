from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.task1_aggregation.clock.base import SiteTimes, SiteWork, work_done
from tasks.task1_aggregation.errors import SettingsError


@pytest.mark.parametrize(
    ("epochs", "per_epoch", "batches"),
    [(1, 7, 7), (0.5, 7, 4), (0.5, 5, 3), (0.35, 7, 2), (0.01, 7, 1), (1.9, 10, 19), (2.25, 2, 5)],
)
def test_fractional_epochs_are_rounded_half_up_to_batches(
    epochs: float, per_epoch: int, batches: int
) -> None:
    assert work_done(epochs, None, per_epoch) == batches


@given(st.floats(1e-6, 50), st.integers(1, 300))
def test_work_done_is_within_half_a_batch_and_never_nothing(epochs: float, per_epoch: int) -> None:
    batches = work_done(epochs, None, per_epoch)
    assert batches >= 1
    assert batches == 1 or abs(batches - epochs * per_epoch) <= 0.5 + 1e-9


def test_batches_are_taken_as_given() -> None:
    assert work_done(None, 3, 7) == 3


@pytest.mark.parametrize(
    ("epochs", "batches", "per_epoch", "named"),
    [
        (None, None, 7, "either epochs or batches"),
        (1.0, 3, 7, "either epochs or batches"),
        (0.0, None, 7, "epochs is 0.0"),
        (math.nan, None, 7, "epochs is nan"),
        (math.inf, None, 7, "epochs is inf"),
        (None, 0, 7, "batches is 0"),
        (1.0, None, 0, "batches_per_epoch is 0"),
    ],
)
def test_work_that_cannot_be_is_refused(
    epochs: float | None, batches: int | None, per_epoch: int, named: str
) -> None:
    with pytest.raises(SettingsError, match=named):
        work_done(epochs, batches, per_epoch)


def test_total_is_the_sum_in_order() -> None:
    assert SiteTimes(1, 2, 3, 4, 5).total_s == 15
    assert SiteTimes(0.1, 0.2, 0.3).total_s == (0.1 + 0.2) + 0.3


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_impossible_times_are_refused(seconds: float) -> None:
    with pytest.raises(SettingsError, match="train_s"):
        SiteTimes(1, 1, seconds)


def test_impossible_work_is_refused() -> None:
    with pytest.raises(SettingsError, match="negative"):
        SiteWork(-1, 2)
    with pytest.raises(SettingsError, match="batches"):
        SiteWork(3, 2, batches=0)
    with pytest.raises(SettingsError, match="epochs"):
        SiteWork(3, 2, epochs=math.nan)
    assert SiteWork(0, 2, trains=False, epochs=0, batches=0, batches_per_epoch=0).n_validate == 2
