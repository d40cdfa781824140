"""The cases are what their names say, and the report has the form that all reports have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from benchmarks.metrics import __main__ as command
from benchmarks.metrics.folder import folder_case
from benchmarks.metrics.peers import medpy_box, monai_five
from benchmarks.metrics.volumes import CASES, Pair
from benchmarks.report import Measurement
from tasks.segmentation.metrics.score import score_case


def small() -> Pair:
    labels = np.zeros((12, 14, 16), np.uint8)
    labels[3:9, 3:9, 3:9] = 4
    return Pair(labels, np.roll(labels, 2, axis=1))


def test_the_typical_case_is_typical() -> None:
    pair = CASES["medium"]()
    assert pair.reference.shape == (155, 240, 240)
    assert 70_000 < np.count_nonzero(pair.reference) < 80_000
    scores = score_case(pair.reference, pair.prediction, (1, 1, 1))
    assert 0.9 < scores["dice_wt"] < 0.97 and 1 <= scores["hd95_wt"] < 4


@pytest.mark.slow
def test_the_other_cases_are_what_they_are_called() -> None:
    scores = {}
    for name in ("large", "multifocal", "far-fp", "bad"):
        pair = CASES[name]()
        scores[name] = score_case(pair.reference, pair.prediction, (1, 1, 1))
    assert scores["large"]["hd95_wt"] < 4 and scores["multifocal"]["dice_wt"] > 0.85
    assert scores["far-fp"]["dice_wt"] > 0.85 and scores["far-fp"]["hd95_wt"] > 50
    assert scores["bad"]["dice_wt"] < 0.15 and scores["bad"]["sensitivity_wt"] > 0.95


def test_rows_of_a_case_and_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "CASES", {"medium": small})
    monkeypatch.setattr(command, "monai_five", medpy_box)  # its import takes longer than all the rest
    reading = Measurement("peer-reading-1", 1.0, "s", "SimpleITK", 2.0)
    monkeypatch.setattr(command, "folder_case", lambda repeats, files: reading)
    assert command.main(["--repeats", "3", "--cases", "medium", "--json", str(tmp_path / "out.json")]) == 0
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["name"] == "metrics"
    assert [case["case"] for case in report["cases"]] == [
        "medium", "peer-medpy-box-medium", "peer-monai-medium", "memory-medium", "peer-reading-1",
    ]  # fmt: skip
    assert report["cases"][0]["reference"] == "medpy.hd95, full volume"
    assert all(case["ratio"] == case["value"] / case["reference_value"] for case in report["cases"])


def test_a_peer_with_other_values_stops_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(pair: Pair) -> Mapping[str, float]:
        return {"wt": 2.0, "tc": 2.0, "et": 2.1}

    monkeypatch.setattr(command, "medpy_full", other)
    with pytest.raises(RuntimeError, match=r"medium, et: HD95 2\.0, medpy has 2\.1"):
        command.case_rows("medium", small(), 1)


@pytest.mark.slow
def test_monai_has_the_larger_of_both_directions() -> None:
    pair = small()
    ours = score_case(pair.reference, pair.prediction, (1, 1, 1), definition="maxdir")
    assert monai_five(pair) == {
        region: pytest.approx(ours[f"hd95_{region}"]) for region in ("wt", "tc", "et")
    }


@pytest.mark.slow
def test_the_folder_is_scored_beside_reading_it() -> None:
    found = folder_case(1, 6)
    assert (found.case, found.unit) == ("peer-reading-6", "s")
    assert 0 < found.ratio < 50


def test_unknown_cases_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--cases", "medium,huge"])
    assert "give some of medium,large,multifocal,far-fp,bad" in capsys.readouterr().err
