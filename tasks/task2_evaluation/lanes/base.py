"""What a lane is: it opens a package's model, in the isolated process, and predicts cases with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from tasks.task2_evaluation.case_input import CaseInput
from tasks.task2_evaluation.manifest import Manifest

AnswerFault = Literal["missing", "unreadable", "geometry", "labels"]


class BadAnswer(Exception):
    """A prediction that cannot even be handed over.

    Attributes:
        status: Of the case.
    """

    def __init__(self, status: AnswerFault, reason: str) -> None:
        super().__init__(reason)
        self.status: AnswerFault = status


class Model(Protocol):
    """An opened model."""

    def predict(self, case: CaseInput) -> Any:
        """Return the labels 0, 1, 2, 4 on the case's own grid, (z, y, x).

        What comes back is checked by the harness, outside this process.

        Raises:
            BadAnswer: There is none, or one that is no such array.
        """
        ...


OpenModel = Callable[[Path, Manifest, Path], Model]
"""Opens a package: its folder, its manifest, a folder for temporary files. Raises `PackageError`."""
