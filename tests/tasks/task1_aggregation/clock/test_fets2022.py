from __future__ import annotations

import numpy as np
import pytest

from tasks.task1_aggregation.clock.base import SiteWork
from tasks.task1_aggregation.clock.fets2022 import Fets2022Clock
from tasks.task1_aggregation.clock.profiles import measured_profiles
from tasks.task1_aggregation.errors import SettingsError

SIZES = {"1": (3, 1), "2": (2, 1), "3": (2, 1)}


def work(*trains: str, epochs: float = 1.0) -> dict[str, SiteWork]:
    return {name: SiteWork(t, v, name in trains, epochs) for name, (t, v) in SIZES.items()}


def totals(clock: Fets2022Clock, round: int, work: dict[str, SiteWork]) -> list[float]:
    return [times.total_s for times in clock.draw(round, work).values()]


def test_golden_assignment_of_the_challenge() -> None:
    profiles = measured_profiles()
    clock = Fets2022Clock(["3", "2", "1"])
    expected = {"1": (14, 7), "2": (17, 10), "3": (20, 3)}
    assert clock.profiles == {name: profiles.pair(*pair) for name, pair in expected.items()}


def test_golden_times_of_the_challenge() -> None:
    clock = Fets2022Clock(SIZES)
    everyone = totals(clock, 0, work("1", "2", "3"))
    only_one = totals(clock, 3, work("1"))
    assert [f"{t:.6f}" for t in everyone] == ["822.528409", "292.460879", "131.589956"]
    assert [f"{t:.6f}" for t in only_one] == ["701.712072", "97.512722", "49.337943"]


def test_a_round_can_be_drawn_again_and_the_global_state_is_left_alone() -> None:
    clock = Fets2022Clock(SIZES)
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    first = clock.draw(2, work("1"))
    clock.draw(7, work("2"))
    assert clock.draw(2, work("1")) == first
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_sites_draw_in_the_order_given_so_selection_shifts_those_that_follow() -> None:
    clock = Fets2022Clock(SIZES)
    all_train, one_trains = clock.draw(0, work("1", "2", "3")), clock.draw(0, work("2"))
    assert all_train["1"].download_s == one_trains["1"].download_s
    assert all_train["2"].download_s != one_trains["2"].download_s
    reordered = {name: work("1", "2", "3")[name] for name in ("2", "1", "3")}
    assert list(clock.draw(0, reordered)) == ["2", "1", "3"]
    assert clock.draw(0, reordered)["2"].download_s != all_train["2"].download_s


def test_epochs_are_charged_as_given_whatever_is_trained() -> None:
    clock = Fets2022Clock(SIZES)
    one = clock.draw(0, work("1"))["1"]
    more = clock.draw(0, work("1", epochs=1.9))["1"]
    assert more.train_s == pytest.approx(1.9 * one.train_s, rel=1e-12)
    assert (more.download_s, more.upload_s) == (one.download_s, one.upload_s)


def test_patches_charge_training_forty_times_and_nothing_else() -> None:
    cases = Fets2022Clock(SIZES).draw(0, work("1"))["1"]
    patches = Fets2022Clock(SIZES, unit="patches40").draw(0, work("1"))["1"]
    assert patches.train_s == pytest.approx(40 * cases.train_s, rel=1e-12)
    assert (patches.validate_s, patches.upload_s) == (cases.validate_s, cases.upload_s)


def test_a_validator_only_downloads_and_validates() -> None:
    times = Fets2022Clock(SIZES).draw(0, work())["2"]
    assert (times.train_s, times.validate_local_s, times.upload_s) == (0, 0, 0)
    assert times.total_s == times.download_s + times.validate_s > 2


def test_an_unknown_site_or_unit_is_refused() -> None:
    with pytest.raises(SettingsError, match="no site '9'"):
        Fets2022Clock(SIZES).draw(0, {"9": SiteWork(1, 1)})
    with pytest.raises(SettingsError, match="no unit 'patches'"):
        Fets2022Clock(SIZES, unit="patches")  # type: ignore[arg-type]
