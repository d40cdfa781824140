"""Two folders of real NIfTI files through the real command line."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mask_folders import SHAPE, cut, mask, write_mask

from leaderboard.cases import read_cases
from tasks.segmentation.metrics.score import score_case

CHALLENGE = Path(sys.executable).parent / "challenge"
HEADER = (
    "submission,seed,site,case,status,dice_wt,dice_tc,dice_et,hd95_wt,hd95_tc,hd95_et,"
    "sensitivity_wt,sensitivity_tc,sensitivity_et,specificity_wt,specificity_tc,specificity_et,"
    "precision_wt,precision_tc,precision_et"
)


def run(root: Path, *options: str, out: str = "cases.csv", code: int = 0) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(
        [CHALLENGE, "score", "--predictions", "pred", "--references", "ref", "--out", out, *options],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert found.returncode == code, found.stderr
    return found


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as stream:
        return {row["case"]: row for row in csv.DictReader(stream)}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Every kind of prediction, good and bad, on a grid of 1 x 2 x 3 mm (x, y, z)."""
    spacing = (1.0, 2.0, 3.0)
    names = ("good_seg", "perfect_final_seg", "absent", "cut_seg", "grid_seg", "moved_seg", "wrong", "text")
    for name in names:
        write_mask(tmp_path / "ref" / f"{name}.nii.gz", mask(), spacing)
    guess = tmp_path / "pred"
    write_mask(guess / "good.nii.gz", mask(1).astype(np.float64), spacing)
    write_mask(guess / "perfect.nii", mask(), spacing)
    noise = np.random.default_rng(0).choice(np.array([0, 1, 2, 4], np.uint8), SHAPE)
    cut(write_mask(guess / "cut.nii.gz", noise, spacing), 0.6)
    write_mask(guess / "grid.nii.gz", mask()[1:], spacing)
    write_mask(guess / "moved.nii.gz", mask(), spacing, (0.0, 5.0, 0.0))
    write_mask(guess / "wrong.nii.gz", mask(label=3), spacing)
    (guess / "text.nii.gz").write_text("not an image")
    write_mask(guess / "surplus.nii.gz", mask(), spacing)
    return tmp_path


def test_every_case_has_its_row_and_a_bad_one_its_status(mixed: Path) -> None:
    found = run(mixed, "--workers", "2")
    assert (mixed / "cases.csv").read_text().splitlines()[0] == HEADER
    table = rows(mixed / "cases.csv")
    assert {case: row["status"] for case, row in table.items()} == {
        "absent": "missing",
        "cut": "unreadable",
        "good": "ok",
        "grid": "geometry",
        "moved": "geometry",
        "perfect": "ok",
        "text": "unreadable",
        "wrong": "labels",
    }
    assert list(table) == sorted(table)
    expected = score_case(mask(), mask(1), (3, 2, 1))
    assert {name: float(table["good"][name]) for name in expected} == expected
    # By hand: a cube of 6 voxels moved by one along x, where a voxel is 1 mm.
    assert float(table["good"]["dice_et"]) == pytest.approx(5 / 6)
    assert float(table["good"]["hd95_et"]) == 1
    assert float(table["good"]["sensitivity_wt"]) == pytest.approx(7 / 8)
    assert {float(table["perfect"][f"hd95_{region}"]) for region in ("wt", "tc", "et")} == {0}
    for case, row in table.items():
        if row["status"] != "ok":
            assert {float(row[f"hd95_{region}"]) for region in ("wt", "tc", "et")} == {374}, case
            assert {
                float(v) for name, v in row.items() if name.startswith(("dice", "sens", "spec", "prec"))
            } == {0}
    assert "2 of 8 cases ok, 2 geometry, 1 labels, 1 missing, 2 unreadable" in found.stdout
    assert "note: 1 predictions without a reference are passed over: surplus" in found.stderr
    assert "moved: geometry: pred/moved.nii.gz: origin differ from the reference's" in found.stderr
    assert read_cases([mixed / "cases.csv"]).submissions == ("pred",)


def test_the_same_bytes_whatever_the_workers_and_a_record_beside(mixed: Path) -> None:
    run(mixed, "--workers", "1", out="one.csv")
    run(mixed, "--workers", "3", "--submission", "pred", "--site", "ref", out="three/cases.csv")
    content = (mixed / "one.csv").read_bytes()
    assert content == (mixed / "three/cases.csv").read_bytes()
    record = json.loads((mixed / "one.json").read_text())
    assert record["schema"] == "score/1"
    assert record["tables"] == {"one.csv": {"sha256": hashlib.sha256(content).hexdigest()}}
    assert record["metrics"] == {"hd95": "pooled", "lesions": None}
    assert record["by_status"] == {"geometry": 2, "labels": 1, "missing": 1, "ok": 2, "unreadable": 2}
    assert record["penalised"]["absent"]["reason"] == "there is no prediction absent.nii.gz"
    assert {entry["fault"] for entry in record["penalised"].values()} == {"prediction"}


def test_definition_and_columns_can_be_chosen(tmp_path: Path) -> None:
    truth, guess = np.zeros((2, *SHAPE), np.uint8)
    truth[0, 0, 0] = guess[0, 0, 0] = guess[0, 0, 10] = 4
    write_mask(tmp_path / "ref/a.nii.gz", truth)
    write_mask(tmp_path / "pred/a.nii.gz", guess)
    run(tmp_path, out="pooled.csv")
    run(
        tmp_path,
        "--definition",
        "maxdir",
        "--submission",
        "me",
        "--seed",
        "7",
        "--site",
        "s 1",
        out="max.csv",
    )
    assert float(rows(tmp_path / "pooled.csv")["a"]["hd95_et"]) == pytest.approx(9.0)
    chosen = rows(tmp_path / "max.csv")["a"]
    assert float(chosen["hd95_et"]) == pytest.approx(9.5)
    assert (chosen["submission"], chosen["seed"], chosen["site"]) == ("me", "7", "s 1")
    assert json.loads((tmp_path / "max.json").read_text())["metrics"]["hd95"] == "maxdir"


def test_2023_labels_are_mapped_with_a_line_that_says_so(tmp_path: Path) -> None:
    write_mask(tmp_path / "ref/a-seg.nii.gz", mask(label=3))
    write_mask(tmp_path / "ref/b-seg.nii.gz", mask(label=3))
    write_mask(tmp_path / "pred/a.nii.gz", mask(label=3))
    write_mask(tmp_path / "pred/b.nii.gz", mask(label=4))
    found = run(tmp_path)
    assert (
        "note: BraTS 2023 labels in 2 of 2 references: label 3 (enhancing tumour) is read as 4"
        in found.stderr
    )
    assert {(row["status"], row["dice_et"]) for row in rows(tmp_path / "cases.csv").values()} == {
        ("ok", "1.0")
    }
    # Said to be of the other convention, label 3 is an error: of the references themselves.
    other = run(tmp_path, "--labels", "fets", out="other.csv", code=1)
    assert {row["status"] for row in rows(tmp_path / "other.csv").values()} == {"labels"}
    assert "error: 2 references cannot be used" in other.stderr


def test_a_broken_reference_does_not_stop_the_others(tmp_path: Path) -> None:
    write_mask(tmp_path / "ref/a.nii.gz", mask())
    (tmp_path / "ref/b.nii.gz").write_text("broken")
    for case in "ab":
        write_mask(tmp_path / f"pred/{case}.nii.gz", mask())
    found = run(tmp_path, code=1)
    table = rows(tmp_path / "cases.csv")
    assert (table["a"]["status"], table["b"]["status"], table["b"]["hd95_wt"]) == (
        "ok",
        "unreadable",
        "374.0",
    )
    assert "error: 1 references cannot be used" in found.stderr
    assert json.loads((tmp_path / "cases.json").read_text())["penalised"]["b"]["fault"] == "reference"


def test_the_lesion_wise_report(tmp_path: Path) -> None:
    truth, guess = np.zeros((2, 40, 20, 20), np.uint8)
    truth[2:8, 2:8, 2:8] = truth[30:36, 2:8, 2:8] = 2
    guess[2:8, 2:8, 3:9] = guess[16:20, 14:18, 14:18] = 2
    write_mask(tmp_path / "ref/a.nii.gz", truth)
    write_mask(tmp_path / "pred/a.nii.gz", guess)
    write_mask(tmp_path / "ref/b.nii.gz", truth)
    found = run(tmp_path, "--lesions", "lesions.csv")
    lines = (tmp_path / "lesions.csv").read_text().splitlines()
    assert lines == [
        "submission,seed,site,case,region,kind,volume_mm3,components,dice,hd95",
        f"pred,0,ref,a,wt,found,216.0,1,{5 / 6!r},1.0",
        "pred,0,ref,a,wt,missed,216.0,0,0.0,374.0",
        "pred,0,ref,a,wt,false,64.0,1,0.0,374.0",
    ]
    record = json.loads((tmp_path / "cases.json").read_text())
    assert record["metrics"]["lesions"] == {"dilations": 3, "least_mm3": 50.0}
    assert record["lesionwise"]["a"]["wt"] == {
        "found": 1, "missed": 1, "small": 0, "false": 1,
        "dice": pytest.approx(5 / 18), "hd95": pytest.approx(749 / 3),
    }  # fmt: skip
    # The case without a prediction counts with its penalties.
    assert record["lesion_means"]["dice_wt"] == pytest.approx(5 / 36)
    assert record["lesion_means"]["hd95_et"] == pytest.approx(374 / 2)
    assert "lesion by lesion (lesions.csv):" in found.stdout


def test_wrong_calls_are_refused_before_any_work(tmp_path: Path) -> None:
    write_mask(tmp_path / "ref/a.nii.gz", mask())
    assert "pred: no such folder" in run(tmp_path, code=2).stderr
    write_mask(tmp_path / "pred/a.nii.gz", mask())
    (tmp_path / "cases.json").write_text("mine")
    assert "cases.json: exists; name a new file" in run(tmp_path, code=2).stderr
    assert "different files" in run(tmp_path, "--lesions", "x.csv", out="x.csv", code=2).stderr
    assert "ask for more" in run(tmp_path, "--timeout", "0", out="y.csv", code=2).stderr
    assert "--definition" in run(tmp_path, "--definition", "mean", out="y.csv", code=2).stderr
    assert "--submission" in run(tmp_path, "--submission", " ", out="y.csv", code=2).stderr
    write_mask(tmp_path / "ref/a_seg.nii.gz", mask())
    assert "two references" in run(tmp_path, out="y.csv", code=2).stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.json", "pred", "ref"]


def test_out_of_time_is_a_status(tmp_path: Path) -> None:
    write_mask(tmp_path / "ref/a.nii.gz", mask())
    write_mask(tmp_path / "pred/a.nii.gz", mask())
    run(tmp_path, "--timeout", "1e-9")
    assert rows(tmp_path / "cases.csv")["a"]["status"] == "timeout"


def test_nothing_heavy_is_imported_for_the_help(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-P", "-X", "importtime", CHALLENGE, "score", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    modules = {
        line.rsplit("|", 1)[1].strip().split(".")[0] for line in found.stderr.splitlines() if "|" in line
    }
    assert not modules & {"numpy", "SimpleITK", "scipy", "zlib_ng", "torch", "pandas"}
    assert "--references" in found.stdout
