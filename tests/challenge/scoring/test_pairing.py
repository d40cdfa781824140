from __future__ import annotations

import os
from pathlib import Path

import pytest

from challenge.scoring.pairing import Pair, case_of, pair_folders
from fl_core.errors import InputError


def folders(root: Path, references: list[str], predictions: list[str]) -> tuple[Path, Path]:
    made = root / "references", root / "predictions"
    for folder, names in zip(made, (references, predictions), strict=True):
        folder.mkdir()
        for name in names:
            (folder / name).touch()
    return made


def test_names_of_references() -> None:
    assert case_of("a") == ("a", "fets")
    assert case_of("a_seg") == ("a", "fets")
    assert case_of("a-b c.1_final_seg") == ("a-b c.1", "fets")
    assert case_of("BraTS-GLI-00002-000-seg") == ("BraTS-GLI-00002-000", "brats2023")
    assert case_of("_seg") == ("_seg", "fets")


def test_cases_are_sorted_and_endings_may_differ(tmp_path: Path) -> None:
    truth, guess = folders(
        tmp_path,
        ["c_final_seg.nii", "a.nii.gz", "b_seg.nii.gz", "notes.txt", ".hidden.nii.gz"],
        ["a.nii", "b.nii.gz", "d.nii.gz", ".b.nii.gz"],
    )
    pairing = pair_folders(truth, guess)
    assert pairing.pairs == (
        Pair("a", truth / "a.nii.gz", (guess / "a.nii",)),
        Pair("b", truth / "b_seg.nii.gz", (guess / "b.nii.gz",)),
        Pair("c", truth / "c_final_seg.nii", ()),
    )
    assert pairing.notes == ("1 predictions without a reference are passed over: d",)


def test_a_prediction_may_be_called_as_its_reference(tmp_path: Path) -> None:
    truth, guess = folders(tmp_path, ["a_seg.nii.gz", "b_seg.nii.gz"], ["a_seg.nii.gz", "b.nii", "b.nii.gz"])
    first, second = pair_folders(truth, guess).pairs
    assert first.predictions == (guess / "a_seg.nii.gz",)
    assert second.predictions == (guess / "b.nii", guess / "b.nii.gz")


def test_2023_names_say_which_labels(tmp_path: Path) -> None:
    truth, guess = folders(tmp_path, ["a-seg.nii.gz", "b_seg.nii.gz"], ["a.nii.gz", "b.nii.gz"])
    pairing = pair_folders(truth, guess)
    assert [pair.naming for pair in pairing.pairs] == ["brats2023", "fets"]
    assert pairing.notes == (
        "BraTS 2023 labels in 1 of 2 references: label 3 (enhancing tumour) is read as 4, there and in their "
        "predictions",
    )
    assert {pair.naming for pair in pair_folders(truth, guess, "brats2023").pairs} == {"brats2023"}
    assert {pair.naming for pair in pair_folders(truth, guess, "fets").pairs} == {"fets"}


def test_what_is_no_pair_of_folders(tmp_path: Path) -> None:
    truth, guess = folders(tmp_path, ["a.nii.gz", "a_seg.nii.gz"], ["a.nii.gz"])
    with pytest.raises(InputError, match=r"case a has two references, a.nii.gz and a_seg.nii.gz; keep one"):
        pair_folders(truth, guess)
    with pytest.raises(InputError, match="no such folder"):
        pair_folders(tmp_path / "gone", guess)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no reference"):
        pair_folders(tmp_path / "empty", guess)


def test_a_name_that_is_no_text_is_escaped(tmp_path: Path) -> None:
    truth, guess = folders(tmp_path, ["a.nii.gz"], ["a.nii.gz"])
    (guess / os.fsdecode(b"b\xff.nii.gz")).touch()
    pair_folders(truth, guess).notes[0].encode()
