from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from partitions.case import Case
from partitions.check import FileFacts, check_folder, judge
from partitions.errors import DataError
from partitions.reader import Geometry

GRID = Geometry((4, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
NAMES = ("t1", "t1ce", "t2", "flair", "seg")
CASE = Case("c", Path("c"), {name: Path(f"c/c_{name}.nii.gz") for name in NAMES})
GOOD = {name: FileFacts(GRID, labels=(0.0, 2.0) if name == "seg" else ()) for name in NAMES}
SHIFTED = Geometry((4, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 2.0), GRID.direction)


def test_good_facts_have_no_problem() -> None:
    assert judge(CASE, GOOD) == []


@pytest.mark.parametrize(
    ("name", "fact", "kind"),
    [
        ("t2", FileFacts(None, error="c_t2.nii.gz: cannot be read"), "unreadable"),
        ("t2", FileFacts(SHIFTED), "misaligned"),
        ("seg", FileFacts(SHIFTED, labels=(0.0,)), "misaligned"),
        ("t1", FileFacts(GRID, not_finite=3), "values"),
        ("seg", FileFacts(GRID, labels=(0.0, 3.0)), "labels"),
        ("flair", FileFacts(GRID, nonzero=False), "empty brain"),
    ],
)
def test_each_rule(name: str, fact: FileFacts, kind: str) -> None:
    [problem] = judge(CASE, {**GOOD, name: fact})
    assert (problem.case, problem.kind) == ("c", kind)
    assert name in problem.message


def test_an_unreadable_first_image_does_not_make_the_others_misaligned() -> None:
    facts = {**GOOD, "t1": FileFacts(None, error="broken")}
    assert [problem.kind for problem in judge(CASE, facts)] == ["unreadable"]


def test_a_folder_with_every_fault(make_case: Callable[..., Path], save: Callable[..., None]) -> None:
    data = make_case("good").parent
    bad = np.ones((12, 11, 10), np.float32)
    bad[0, 0, 0] = np.nan
    make_case("nan", t1=bad)
    make_case("labels", seg=np.full((12, 11, 10), 3, np.uint8))
    make_case("empty", **{name: np.zeros((12, 11, 10), np.float32) for name in NAMES[:4]})
    make_case("missing", t2=None)
    save(
        make_case("shifted") / "shifted_t2.nii.gz", np.ones((12, 11, 10), np.float32), origin=(0.0, 0.0, 0.0)
    )
    cut = make_case("cut") / "cut_t1.nii.gz"
    cut.write_bytes(cut.read_bytes()[:-20])
    save(make_case("double") / "double_brain_seg.nii.gz", np.zeros((12, 11, 10), np.uint8))
    save(make_case("orphan") / "stray.nii.gz", np.zeros((12, 11, 10), np.uint8))
    save(data / "loose.nii.gz", np.zeros((2, 2, 2), np.uint8))
    calls: list[tuple[int, int]] = []

    report = check_folder(data, lambda done, total: calls.append((done, total)))

    assert {check.case: [problem.kind for problem in check.problems] for check in report.cases} == {
        "good": [],
        "nan": ["values"],
        "labels": ["labels"],
        "empty": ["empty brain"],
        "missing": ["missing"],
        "shifted": ["misaligned"],
        "cut": ["unreadable"],
        "double": ["double"],
        "orphan": ["orphan"],
    }
    assert [problem.kind for problem in report.orphans] == ["orphan"]
    assert len(report.problems) == 9
    assert not report.ok
    assert calls == [(done, 7) for done in range(1, 8)]


def test_a_clean_folder_is_ok(make_case: Callable[..., Path]) -> None:
    report = check_folder(make_case("a").parent)
    assert report.ok and report.problems == ()


def test_a_folder_without_cases_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no case"):
        check_folder(tmp_path)
