from pathlib import Path

import pytest

from partitions.case import find_cases, modality_of
from partitions.errors import DataError

MODALITIES = ("t1", "t1ce", "t2", "flair")


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def complete(folder: Path, prefix: str = "_") -> None:
    touch(folder, *(f"{folder.name}{prefix}{name}.nii.gz" for name in (*MODALITIES, "seg")))


@pytest.mark.parametrize("case_id", ["FeTS2022_00000", "a-b", "two words", "v1.2", "x_t1", "x_brain", " ü"])
def test_ids_of_any_form_are_kept(tmp_path: Path, case_id: str) -> None:
    complete(tmp_path / case_id)
    index = find_cases(tmp_path)
    assert [case.id for case in index.cases] == [case_id]
    assert index.problems == ()
    assert index.cases[0].files["t1ce"] == tmp_path / case_id / f"{case_id}_t1ce.nii.gz"
    assert sorted(index.cases[0].files) == ["flair", "seg", "t1", "t1ce", "t2"]


@pytest.mark.parametrize(
    ("ending", "name"),
    [
        ("_t1", "t1"),
        ("_brain_flair", "flair"),
        ("_final_seg", "seg"),
        ("_brain_final_seg", "seg"),
        ("_brain_seg", "seg"),
        ("-t1n", "t1"),
        ("-t1c", "t1ce"),
        ("-t2w", "t2"),
        ("-t2f", "flair"),
    ],
)
def test_known_endings(ending: str, name: str) -> None:
    naming = "brats2023" if ending.startswith("-") else "fets"
    assert modality_of("c", f"c{ending}.nii.gz") == (name, naming)
    assert modality_of("c", f"c{ending}.nii") == (name, naming)


@pytest.mark.parametrize(
    "name", ["c_T1.nii.gz", "c_t1.mha", "d_t1.nii.gz", "c_t1 .nii.gz", "c.nii.gz", ".c_t1.nii.gz"]
)
def test_other_endings_are_none(name: str) -> None:
    assert modality_of("c", name) is None


def test_2023_names_carry_their_labelling_and_a_note(tmp_path: Path) -> None:
    touch(tmp_path / "B-1", *(f"B-1-{name}.nii.gz" for name in ("t1n", "t1c", "t2w", "t2f", "seg")))
    index = find_cases(tmp_path)
    assert index.cases[0].naming == "brats2023"
    assert index.notes == ("BraTS 2023 names in 1 of 1 cases: label 3 (enhancing tumour) is read as 4",)


def test_double_is_reported_and_not_guessed(tmp_path: Path) -> None:
    complete(tmp_path / "a")
    touch(tmp_path / "a", "a_brain_t1.nii.gz")
    complete(tmp_path / "b")
    index = find_cases(tmp_path)
    assert [case.id for case in index.cases] == ["b"]
    [problem] = index.problems
    assert (problem.case, problem.kind) == ("a", "double")
    assert "a_brain_t1.nii.gz and a_t1.nii.gz" in problem.message


def test_missing_orphan_mixed_and_loose_files(tmp_path: Path) -> None:
    complete(tmp_path / "a")
    (tmp_path / "a" / "a_t2.nii.gz").unlink()
    touch(tmp_path / "a", "other_t2.nii.gz")
    complete(tmp_path / "b")
    touch(tmp_path / "b", "b_t1_copy.nii.gz", "notes.txt")
    touch(tmp_path / "m", "m_t1.nii.gz", "m_t1ce.nii.gz", "m-t2w.nii.gz", "m_flair.nii.gz", "m-seg.nii.gz")
    touch(tmp_path, "loose.nii.gz", "partition.csv", "phantom.json")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    index = find_cases(tmp_path)
    assert [case.id for case in index.cases] == ["b"]
    kinds = {(problem.case, problem.kind) for problem in index.problems}
    assert kinds == {
        ("", "orphan"),
        ("a", "missing"),
        ("a", "orphan"),
        ("b", "orphan"),
        ("m", "mixed"),
        ("empty", "missing"),
        ("link", "unreadable"),
    }


def test_labels_are_needed_only_where_asked(tmp_path: Path) -> None:
    complete(tmp_path / "a")
    (tmp_path / "a" / "a_seg.nii.gz").unlink()
    assert find_cases(tmp_path).cases == ()
    assert [case.id for case in find_cases(tmp_path, labels=False).cases] == ["a"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such data folder"):
        find_cases(tmp_path / "nowhere")
