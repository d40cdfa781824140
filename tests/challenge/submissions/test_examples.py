"""The examples in the repository are those that `challenge submission new` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from challenge.submissions.new import TEMPLATES

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(
    ("example", "form"), [("task2_module", "code"), ("task2_command", "command"), ("task2_onnx", "onnx")]
)
def test_they_are_the_templates(example: str, form: str) -> None:
    here = {path.name: path.read_bytes() for path in (EXAMPLES / example).iterdir() if path.is_file()}

    assert here == {path.name: path.read_bytes() for path in (TEMPLATES / form).iterdir() if path.is_file()}
