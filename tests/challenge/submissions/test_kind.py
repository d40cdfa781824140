from __future__ import annotations

from pathlib import Path

import pytest

from challenge.submissions.digest import SubmissionError
from challenge.submissions.kind import task_of


@pytest.mark.parametrize(
    ("files", "path", "task"),
    [
        (["package.yaml", "model.py"], "", "task2"),
        (["package.json"], "", "task2"),
        (["submission.py"], "", "task1"),
        (["team.ipynb"], "", "task1"),
        (["a.py"], "a.py", "task1"),
        (["a.zip"], "a.zip", "task2"),
        (["a.tar.gz"], "a.tar.gz", "task2"),
        (["a.tgz"], "a.tgz", "task2"),
    ],
)
def test_the_files_tell_the_task(tmp_path: Path, files: list[str], path: str, task: str) -> None:
    for name in files:
        (tmp_path / name).touch()

    assert task_of(tmp_path / path) == task


@pytest.mark.parametrize(
    ("path", "words"), [("", "neither a package.yaml"), ("none", "no such submission"), ("a.txt", "is a .py")]
)
def test_what_is_neither_is_refused(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "a.txt").touch()

    with pytest.raises(SubmissionError, match=words):
        task_of(tmp_path / path)
