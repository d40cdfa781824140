"""A package on real files: rows of cases.csv, the same every time, and a report without values."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from model_packages import write_package

from challenge.scoring.case_score import ScoreSettings, score_pair
from challenge.scoring.pairing import pair_folders
from challenge.scoring.report import CASE_COLUMNS, Origin, cases_csv
from challenge.task2.evaluation import case_scores, evaluate_package, report_of
from partitions.case import Case, find_cases
from tasks.task2_evaluation.evaluate import CaseResult
from tasks.task2_evaluation.package import opened_package

MODEL = """
import numpy as np
def predict(case):
    images = {name: (image - image[image > 0].mean()) / image.std() for name, image in case.images.items()}
    whole = (images["flair"] > 0.8) & (images["t2"] > 0)
    labels = np.where(whole, 2, 0)
    labels[whole & (images["t1ce"] > 1)] = 4
    return labels
"""
FAILING = """
import os
import numpy as np
def predict(case):
    number = int(case.name.split("-")[1])
    if number == 2:
        raise ValueError(str(case.images["t1"].max()))
    if number == 3:
        return None
    if number == 4:
        os._exit(int(case.images["t1"].max()) % 256)
    return np.zeros(case.shape, np.uint8)
"""


@pytest.fixture(scope="module")
def cases(tiny_data: Path) -> list[Case]:
    return list(find_cases(tiny_data).cases[:5])


def run(folder: Path, cases: list[Case], log: Path) -> tuple[list[CaseResult], dict[str, object]]:
    with opened_package(folder) as package:
        results = evaluate_package(package, cases, log=log)
        return results, report_of(package, results)


def test_rows_are_those_that_scoring_its_masks_gives(tmp_path: Path, cases: list[Case]) -> None:
    saving = f"""
    import SimpleITK
    SimpleITK.WriteImage(
        SimpleITK.GetImageFromArray(labels.astype("u1")), "{tmp_path}/" + case.name + ".nii.gz"
    )
    return labels"""
    code = MODEL.replace("\n    return labels", saving)
    results, _ = run(write_package(tmp_path / "p", {"model.py": code}), cases, tmp_path / "log")

    references, predictions = tmp_path / "r", tmp_path / "masks"
    references.mkdir(), predictions.mkdir()
    import SimpleITK

    for number, case in enumerate(cases, start=1):
        shutil.copy(case.files["seg"], references / f"{case.id}.nii.gz")
        mask = SimpleITK.ReadImage(str(tmp_path / f"case-{number:04d}.nii.gz"))
        mask.CopyInformation(SimpleITK.ReadImage(str(case.files["seg"])))
        SimpleITK.WriteImage(mask, str(predictions / f"{case.id}.nii.gz"))
    pairs = pair_folders(references, predictions, None).pairs
    apart = [score_pair(pair, ScoreSettings()) for pair in pairs]
    assert case_scores(results) == apart
    assert max(one.values["dice_wt"] for one in apart) > 0.4


def test_the_same_package_gives_the_same_table(tmp_path: Path, cases: list[Case]) -> None:
    folder = write_package(tmp_path / "p", {"model.py": MODEL})
    tables = [
        cases_csv(Origin("tiny", 0, "1"), case_scores(run(folder, cases, tmp_path / str(n))[0]))
        for n in range(2)
    ]
    rows = list(csv.DictReader(io.StringIO(tables[0].decode())))

    assert tables[0] == tables[1]
    assert tuple(rows[0]) == CASE_COLUMNS
    assert [row["case"] for row in rows] == [case.id for case in cases]
    assert {row["status"] for row in rows} == {"ok"}


def test_what_fails_has_a_status_and_the_participant_learns_no_value(
    tmp_path: Path, cases: list[Case]
) -> None:
    folder = write_package(tmp_path / "p", {"model.py": FAILING})
    results, report = run(folder, cases, tmp_path / "log")

    assert [one.status for one in results] == ["ok", "crashed", "missing", "crashed", "ok"]
    assert report["by_status"] == {"ok": 2, "crashed": 2, "missing": 1}
    assert report["failures"] == [
        {"status": "crashed", "cases": 1, "phase": "predict", "exception": "ValueError",
         "frames": ({"file": "model.py", "line": 7},)},
        {"status": "crashed", "cases": 1, "phase": "predict", "exception": None, "frames": ()},
        {"status": "missing", "cases": 1, "phase": "answer", "exception": None, "frames": ()},
    ]  # fmt: skip
    told = json.dumps(report)
    assert not any(case.id in told for case in cases)


def test_a_case_of_the_sites_that_is_damaged_is_not_the_packages_fault(
    tmp_path: Path, cases: list[Case]
) -> None:
    shutil.copytree(cases[0].folder, tmp_path / "d" / cases[0].id)
    broken = tmp_path / "d" / cases[0].id / cases[0].files["t2"].name
    broken.write_bytes(broken.read_bytes()[:200])
    folder = write_package(tmp_path / "p", {"model.py": FAILING})
    results, report = run(folder, list(find_cases(tmp_path / "d").cases), tmp_path / "log")

    assert (results[0].status, results[0].at_fault) == ("unreadable", "site")
    assert case_scores(results)[0].reference_at_fault
    assert report["failures"] == []
