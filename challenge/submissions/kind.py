"""Tells for which task a submission is."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from challenge.submissions.digest import SubmissionError

Task = Literal["task1", "task2"]

MANIFESTS: Final = ("package.yaml", "package.json")
ARCHIVES: Final = (".zip", ".tar.gz", ".tgz")
CODE: Final = (".py", ".ipynb")


def task_of(path: Path) -> Task:
    """Return which task a path is a submission for, by its name and what lies in it.

    Raises:
        SubmissionError: There is no such path, or it is neither.
    """
    if path.is_dir():
        if any((path / name).is_file() for name in MANIFESTS):
            return "task2"
        if any(file.suffix in CODE for file in path.iterdir()):
            return "task1"
        raise SubmissionError(
            f"{path}: has neither a package.yaml (Task 2) nor a .py or .ipynb file (Task 1); "
            "`challenge submission new` writes an example"
        )
    if not path.is_file():
        raise SubmissionError(f"{path}: no such submission")
    if path.name.endswith(ARCHIVES):
        return "task2"
    if path.suffix in CODE:
        return "task1"
    raise SubmissionError(
        f"{path}: a submission is a .py, an .ipynb, a folder, or for Task 2 also a .zip or .tar.gz"
    )
