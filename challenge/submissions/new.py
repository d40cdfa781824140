"""Writes an example of a submission that works as it stands."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from challenge.submissions.digest import SubmissionError
from fl_core.errors import FederationError

Form = Literal["task1", "code", "command", "onnx", "weights"]

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"
_MAKERS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"onnx": ("export.py", "pip install 'fedbrats[onnx]'"), "weights": ("make_weights.py", "see above")}
)
"""What makes a form's model, and what to do when that fails."""

_MAKING_S: Final = 600.0


def new_submission(form: Form, folder: Path) -> list[str]:
    """Write an example into a new or empty folder, and make its model where it has one.

    The model is made by the example's own script, as its author will do it later.

    Args:
        form: Of the example: a strategy for Task 1, or a model package.
        folder: New or empty.

    Returns:
        The names of the files.

    Raises:
        SubmissionError: The folder is there and not empty.
        FederationError: The model could not be made.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SubmissionError(f"{folder}: is there and not an empty folder; name a new one")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(
        TEMPLATES / form, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    if form in _MAKERS:
        _make(folder.resolve() / _MAKERS[form][0], _MAKERS[form][1])
    return sorted(path.name for path in folder.iterdir())


def _make(script: Path, hint: str) -> None:
    words = [sys.executable, "-P", "-B", "-W", "ignore", str(script)]
    try:
        subprocess.run(words, cwd=script.parent, check=True, capture_output=True, timeout=_MAKING_S)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
        raise FederationError(f"{script}: could not make the model: {last[:300]}; {hint}") from error
    except subprocess.TimeoutExpired as error:
        raise FederationError(f"{script}: took longer than {_MAKING_S:g} s; run it by hand") from error
