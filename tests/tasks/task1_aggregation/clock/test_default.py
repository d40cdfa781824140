from __future__ import annotations

from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.task1_aggregation.clock.base import SiteWork
from tasks.task1_aggregation.clock.default import DefaultClock
from tasks.task1_aggregation.errors import SettingsError

NAMES = ("1", "10", "2", "3")


def work(trains: frozenset[str], batches: int = 4) -> dict[str, SiteWork]:
    return {n: SiteWork(8, 2, n in trains, batches / 4, batches, 4) for n in NAMES}


@settings(max_examples=50, deadline=None)
@given(st.frozensets(st.sampled_from(NAMES)), st.integers(0, 99), st.integers(0, 20))
def test_selection_shifts_nobodys_times(trains: frozenset[str], seed: int, round: int) -> None:
    clock = DefaultClock(seed, NAMES)
    all_train, some = clock.draw(round, work(frozenset(NAMES))), clock.draw(round, work(trains))
    for name in NAMES:
        assert some[name].download_s == all_train[name].download_s
        assert some[name].validate_s == all_train[name].validate_s
        assert not some[name].train_s if name not in trains else some[name] == all_train[name]


def test_other_sites_and_their_order_change_nothing() -> None:
    everyone = DefaultClock(4, NAMES).draw(1, work(frozenset(NAMES)))
    alone = DefaultClock(4, ["2"]).draw(1, {"2": work(frozenset(NAMES))["2"]})
    assert alone["2"] == everyone["2"]
    turned = dict(reversed(work(frozenset(NAMES)).items()))
    assert list(DefaultClock(4, NAMES).draw(1, turned)) == list(reversed(NAMES))
    assert DefaultClock(4, NAMES).draw(1, turned) == everyone


def test_training_is_charged_by_the_batches_really_done() -> None:
    clock = DefaultClock(0, NAMES)
    one = clock.draw(0, work(frozenset("1"), batches=1))["1"]
    six = clock.draw(0, work(frozenset("1"), batches=6))["1"]
    assert six.train_s == pytest.approx(6 * one.train_s, rel=1e-12)
    as_given = {"1": SiteWork(8, 2, True, epochs=9.9, batches=1, batches_per_epoch=4)}
    assert clock.draw(0, as_given)["1"] == one


def test_rounds_seeds_and_sites_differ() -> None:
    clock = DefaultClock(0, NAMES)
    first, second = clock.draw(0, work(frozenset(NAMES))), clock.draw(1, work(frozenset(NAMES)))
    other = DefaultClock(1, NAMES).draw(0, work(frozenset(NAMES)))
    downloads = [times[name].download_s for times in (first, second, other) for name in NAMES]
    assert len(set(downloads)) == len(downloads)


def test_draws_follow_the_sites_profile() -> None:
    clock = DefaultClock(3, ["5"])
    compute, network = clock.profiles["5"].compute, clock.profiles["5"].network
    drawn = [clock.draw(r, {"5": SiteWork(1, 1)})["5"] for r in range(400)]

    def close(values: list[float], centre: float, spread: float) -> bool:
        return abs(mean(values) - centre) < 5 * max(spread, 1e-9) / 20

    assert close([t.train_s for t in drawn], compute.train_mean_s, compute.train_std_s)
    assert close([t.validate_local_s for t in drawn], compute.validate_mean_s, compute.validate_std_s)
    assert close([t.upload_s for t in drawn], network.upload_mean_s, network.upload_std_s)
    assert min(t.download_s for t in drawn) >= 1


def test_profiles_are_spread_over_the_sites() -> None:
    profiles = DefaultClock(0, [str(n) for n in range(400)]).profiles.values()
    assert len({profile.compute for profile in profiles}) == 21
    assert len({profile.network for profile in profiles}) == 16


def test_an_unknown_site_is_refused() -> None:
    with pytest.raises(SettingsError, match="no site '9'"):
        DefaultClock(0, NAMES).draw(0, {"9": SiteWork(1, 1)})
