"""A package that is a command between two folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from package_calls import LIMITS, Start, alive, ask, failed

from tasks.task2_evaluation.evaluate import Failed, Predicted

COMMAND = {"lane": "code", "command": ["python", "run.py", "{input}", "{output}"]}


def command(body: str) -> str:
    return (
        "import sys, os\nimport numpy as np, SimpleITK as sitk\n"
        "given, taken = sys.argv[1:]\n(name,) = os.listdir(given)\n"
        "flair = sitk.ReadImage(f'{given}/{name}/{name}_brain_flair.nii.gz')\n"
        "def write(array, like=flair, **set):\n"
        "    mask = sitk.GetImageFromArray(array)\n"
        "    if like is not None: mask.CopyInformation(like)\n"
        "    sitk.WriteImage(mask, f'{taken}/{name}.nii.gz')\n"
        "array = sitk.GetArrayFromImage(flair)\n" + body
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("write((array == 4).astype('u1') * 4)", "ok"),
        ("pass", "missing"),
        ("open(f'{taken}/{name}.nii.gz', 'w').close()", "unreadable"),
        ("write(array.astype('u1'), like=None)", "geometry"),
        ("write(array[1:].astype('u1'), like=None)", "geometry"),
        ("raise SystemExit(3)", "crashed"),
    ],
)
def test_a_command_reads_a_folder_and_writes_another(start: Start, body: str, status: str) -> None:
    host = start("", lane=COMMAND, run=command(body))
    answer = ask(host)

    if status == "ok":
        assert isinstance(answer, Predicted) and (answer.volume == 4).all()
    else:
        assert isinstance(answer, Failed) and answer.status == status


def test_a_command_that_never_ends_is_ended(start: Start, tmp_path: Path) -> None:
    code = f"import os\nopen('{tmp_path}/pid', 'w').write(str(os.getpid()))\nwhile True: pass"
    host = start("", replace(LIMITS, case_s=2.0), lane=COMMAND, run=code)

    assert failed(host).status == "timeout"
    assert not alive(int((tmp_path / "pid").read_text()))


def test_a_command_that_is_not_there_is_said(start: Start) -> None:
    host = start("", lane={"lane": "code", "command": ["no-such-program", "{input}", "{output}"]})

    assert "neither a program here nor a file" in failed(host).reason
