from __future__ import annotations

import pytest

from tasks.task1_aggregation.clock.profiles import measured_profiles


def test_the_measured_profiles_are_those_of_the_federation() -> None:
    profiles = measured_profiles()
    assert len(profiles.compute) == 21
    assert len(profiles.network) == 16
    train = [profile.train_mean_s for profile in profiles.compute]
    validate = [profile.validate_mean_s for profile in profiles.compute]
    assert (min(train), max(train)) == pytest.approx((1.80, 20.66), abs=0.005)
    assert (min(validate), max(validate)) == pytest.approx((9.69, 40.24), abs=0.005)
    download = [profile.download_mean_s for profile in profiles.network]
    upload = [profile.upload_mean_s for profile in profiles.network]
    assert (min(download), max(download)) == pytest.approx((13.06, 217.41), abs=0.005)
    assert (min(upload), max(upload)) == pytest.approx((20.0, 430.95), abs=0.005)


def test_a_pair_is_numbered_from_zero() -> None:
    profiles = measured_profiles()
    assert profiles.pair(14, 7).compute is profiles.compute[14]
    assert profiles.pair(14, 7).network is profiles.network[7]
