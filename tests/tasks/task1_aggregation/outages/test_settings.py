from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tasks.task1_aggregation.errors import SettingsError
from tasks.task1_aggregation.outages.effects import Rules
from tasks.task1_aggregation.outages.process import SiteOutages, Window
from tasks.task1_aggregation.outages.settings import parse_settings, read_settings

SITES = ["1", "2", "3"]


def written(folder: Path, text: str) -> Path:
    path = folder / "outages.yaml"
    path.write_text(text)
    return path


def test_a_process_with_overrides_and_rules(tmp_path: Path) -> None:
    settings = read_settings(
        written(
            tmp_path,
            """
            kind: process
            mean_up: 20
            mean_down: 0.5
            sites:
              "2": {mean_up: 6, mean_down: 2, windows: [{start_s: 10, end_s: 20}]}
              "3": {windows: [{start_s: 5}]}
            rules: {start: miss, resumable: true, deadline_s: 900, late: defer, min_updates: 2}
            """,
        )
    )
    assert settings.rules == Rules("miss", True, 900, "defer", 2)
    outages = settings.with_unit(100).outages(7, SITES)
    assert outages.seed == 7
    assert outages.sites == {
        "1": SiteOutages(2000, 50),
        "2": SiteOutages(600, 200, (Window(10, 20),)),
        "3": SiteOutages(windows=(Window(5, math.inf),)),
    }


def test_the_unit_of_the_file_comes_first() -> None:
    settings = parse_settings({"kind": "process", "mean_up": 2, "mean_down": 1, "unit_s": 30}, "f", Path())
    assert settings.with_unit(100).outages(0, ["1"]).sites == {"1": SiteOutages(60, 30)}


def test_means_without_a_unit_are_an_error() -> None:
    settings = parse_settings({"kind": "process", "mean_up": 2, "mean_down": 1}, "f", Path())
    with pytest.raises(SettingsError, match="no unit_s"):
        settings.outages(0, ["1"])


def test_scheduled_windows_of_one_site_and_of_all(tmp_path: Path) -> None:
    text = """
    kind: windows
    windows:
      - {site: "3", start_s: 600, end_s: 900}
      - {site: "*", start_s: 50, end_s: 60}
    """
    outages = read_settings(written(tmp_path, text)).outages(0, SITES)
    assert outages.down("3", math.inf) == (Window(50, 60), Window(600, 900))
    assert outages.down("1", math.inf) == (Window(50, 60),)


def test_a_trace_beside_the_settings_or_alone(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("site,start_s,end_s\n3,60,90.5\n3,100,\n")
    path = written(tmp_path, "kind: trace\nfile: t.csv\nrules: {resumable: true}\n")
    settings, bare = read_settings(path), read_settings(tmp_path / "t.csv")
    assert settings.outages(0, SITES).down("3", math.inf) == (Window(60, 90.5), Window(100, math.inf))
    assert bare.outages(0, SITES).to_dict() == settings.outages(0, SITES).to_dict()
    assert (settings.rules.resumable, bare.rules) == (True, Rules())


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "process", "mean_up": 20, "mean_down": 0.5, "sites": {"2": {"windows": [{"start_s": 3}]}}},
        {"kind": "windows", "windows": [{"site": "1", "start_s": 1, "end_s": 2}], "rules": {"deadline_s": 5}},
        {"kind": "trace", "file": "t.csv"},
    ],
)
def test_resolved_settings_need_no_file_and_come_back(content: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("site,start_s,end_s\n3,60,90.5\n3,100,\n")
    settings = parse_settings(content, "f", tmp_path).with_unit(100)
    dumped = json.loads(json.dumps(settings.model_dump(mode="json"), allow_nan=False))
    again = parse_settings(dumped, "config.yaml", Path("/nowhere"))
    assert again == settings
    assert again.outages(1, SITES).to_dict() == settings.outages(1, SITES).to_dict()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: weekly\n", "weekly"),
        ("kind: process\nmean_up: 20\n", "process.mean_down: Field required"),
        ("kind: process\nmean_up: 0\nmean_down: 1\n", "process.mean_up: Input should be greater than 0"),
        ("kind: process\nmean_up: .inf\nmean_down: 1\n", "process.mean_up: Input should be a finite number"),
        ("kind: process\nmean_up: 1\nmean_down: 1\nmean_dwn: 2\n", "process.mean_dwn: Extra inputs"),
        ("kind: windows\nwindows: [{site: 3, start_s: 1}]\n", "put them in quotes"),
        ("kind: windows\nwindows: []\nsites: {3: {}}\n", "put them in quotes"),
        ("kind: windows\nwindows: [{site: '3', start_s: 5, end_s: 1}]\n", "an outage from 5.0 s to 1.0 s"),
        ("kind: windows\nwindows: []\nsites: {'3': {mean_down: 1}}\n", "mean_down needs mean_up"),
        ("kind: windows\nwindows: []\nrules: {start: now}\n", "windows.rules.start"),
        ("kind: windows\nwindows: []\nrules: {dead: 3}\n", "windows.rules.dead"),
        ("kind: windows\nwindows: []\nrules: {late: defer}\n", "'defer' without deadline_s"),
        ("kind: trace\nfile: none.csv\n", "cannot read the outage trace"),
        ("- 1\n", "expected keys and values"),
        ("kind: [\n", "cannot read the outages"),
    ],
)
def test_wrong_files_are_errors_that_name_the_file_and_the_key(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings(written(tmp_path, text))
    assert "outages.yaml" in str(error.value)
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) <= 2


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "windows", "windows": [{"site": "9", "start_s": 1}]},
        {"kind": "windows", "windows": [], "sites": {"9": {}}},
        {"kind": "windows", "windows": [], "sites": {"*": {}}},
    ],
)
def test_unknown_sites_are_errors(content: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"unknown sites: [9*]; the sites are 1, 2, 3"):
        parse_settings(content, "f", Path()).outages(0, SITES)
