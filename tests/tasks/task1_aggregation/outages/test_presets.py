from __future__ import annotations

import math
from pathlib import Path

import pytest

from tasks.task1_aggregation.clock.base import SiteTimes
from tasks.task1_aggregation.errors import SettingsError
from tasks.task1_aggregation.outages.effects import Rules
from tasks.task1_aggregation.outages.presets import PRESETS, median_round_time_s, outage_settings
from tasks.task1_aggregation.outages.process import SiteOutages


@pytest.mark.parametrize(("name", "up", "down"), [("mild", 20, 0.5), ("severe", 6, 2)])
def test_presets_are_in_units_of_the_median_round_time(name: str, up: float, down: float) -> None:
    outages = outage_settings(name).with_unit(300).outages(0, ["1", "2"])
    assert set(outages.sites.values()) == {SiteOutages(up * 300, down * 300)}


def test_presets_have_the_default_rules() -> None:
    assert set(PRESETS) == {"none", "mild", "severe"}
    assert {settings.rules for settings in PRESETS.values()} == {Rules("wait", False, None, "drop", 1)}


def test_none_needs_no_unit_and_takes_nobody_offline() -> None:
    assert outage_settings("none").outages(0, ["1"]).down("1", math.inf) == ()


def test_the_unit_is_the_median_of_the_totals() -> None:
    times = {"1": SiteTimes(1, 1), "2": SiteTimes(1, 1, 5, 1, 2), "3": SiteTimes(50, 9), "4": SiteTimes(2, 2)}
    assert median_round_time_s(times) == 7
    with pytest.raises(SettingsError, match="no sites"):
        median_round_time_s({})


def test_files_are_taken_by_their_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("kind: process\nmean_up: 3\nmean_down: 1\n")
    assert outage_settings(str(path)).with_unit(10).outages(0, ["1"]).sites == {"1": SiteOutages(30, 10)}


def test_an_unknown_name_is_an_error_that_lists_the_presets(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no outages 'milde'; use none, mild, severe, or a file"):
        outage_settings("milde")
