"""`challenge submission new` and `check`, as a participant calls them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from model_packages import write_package
from onnx_models import convolution

CHALLENGE = str(Path(sys.executable).parent / "challenge")


def call(*words: str | Path) -> tuple[int, str, str]:
    found = subprocess.run(
        [CHALLENGE, "submission", *map(str, words)], capture_output=True, text=True, timeout=250
    )
    return found.returncode, found.stdout, found.stderr


@pytest.mark.parametrize("lane", ["code", "command"])
def test_the_example_of_the_code_lane_works(tmp_path: Path, lane: str) -> None:
    code, out, _ = call("new", "task2", tmp_path / "mine", "--lane", lane)
    assert code == 0 and f"try it: challenge submission check {tmp_path / 'mine'}" in out

    code, out, error = call("check", tmp_path / "mine")
    assert code == 0, error
    assert out.count(": ok, ") == 3 and "digest sha256:" in out
    assert out.splitlines()[-1] == "it can be handed in"


@pytest.mark.slow
@pytest.mark.parametrize("lane", ["onnx", "weights"])
def test_the_example_of_the_network_lanes_works(tmp_path: Path, lane: str) -> None:
    if lane == "onnx":
        pytest.importorskip("onnxscript")
    assert call("new", "task2", tmp_path / "mine", "--lane", lane)[0] == 0
    code, out, error = call("check", tmp_path / "mine")

    assert code == 0, error
    assert out.count(": ok, ") == 3 and f"lane {lane}" in out


@pytest.mark.slow
def test_what_is_wrong_is_said_with_its_remedy(tmp_path: Path) -> None:
    folder = write_package(
        tmp_path / "p",
        {
            "model.py": """
                import numpy as np
                print("hello from the model")
                def predict(case):
                    return np.full(case.shape, 3)
            """
        },
    )
    code, out, error = call("check", folder)

    assert code == 1
    assert "Phantom_0001: labels" in out and out.splitlines()[-1] == "it cannot be handed in yet"
    assert "hello from the model" in error
    assert "Phantom_0001, Phantom_0002, Phantom_0003: labels: " in error
    assert "return only 0, 1, 2 and 4" in error


@pytest.mark.slow
def test_a_slow_package_meets_the_limit_that_is_given(tmp_path: Path) -> None:
    folder = write_package(tmp_path / "p", {"model.py": "def predict(case):\n    while True: pass\n"})
    code, _, error = call("check", folder, "--case-seconds", "0.5")

    assert code == 1 and "timeout: took longer than 0.5 s" in error and "make it faster" in error


def test_a_hostile_archive_is_refused_in_one_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../package.yaml", "x")
    code, _, error = call("check", tmp_path / "evil.zip")

    assert code == 2 and error.startswith("error: ") and "leads out of the archive" in error
    assert len(error.splitlines()) <= 2 and not (tmp_path.parent / "package.yaml").exists()


@pytest.mark.slow
def test_a_package_with_external_data_does_not_load(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = convolution()
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    lane = {"lane": "onnx", "file": "model.onnx", "regions": ["wt", "tc", "et"]}
    folder = write_package(tmp_path / "p", {"model.onnx": model.SerializeToString()}, lane)
    code, _, error = call("check", folder)

    assert code == 1 and "tensor 'w' lies outside the file" in error


def test_an_error_of_the_manifest_names_the_file_that_the_reader_knows(tmp_path: Path) -> None:
    folder = write_package(tmp_path / "p", {"model.py": ""}, lyne="code")
    code, _, error = call("check", folder)

    assert code == 2 and f"{folder}/package.yaml: lyne is no key; did you mean lane?" in error


@pytest.mark.slow
def test_the_example_for_task1_plays_two_rounds(tmp_path: Path) -> None:
    assert call("new", "task1", tmp_path / "mine")[0] == 0
    code, out, error = call("check", tmp_path / "mine")

    assert code == 0, error
    assert "round 0: 1, 2 selected" in out and "round 1: 1 selected" in out
    assert "2 rounds of the toy federation were played" in out


@pytest.mark.slow
def test_a_strategy_that_breaks_a_rule_is_told_which(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def select_sites(context):\n    print('choosing')\n    return ['nobody']\n")
    code, out, error = call("check", path)

    assert code == 1 and "select_sites" in error and "nobody" in error and "choosing" in error
    assert "it cannot be handed in yet" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["new", "task1", "mine", "--lane", "onnx"], "has no lanes"),
        (["new", "task3", "mine"], "task3"),
        (["check", "nothing"], "no such submission"),
    ],
)
def test_a_wrong_call_exits_with_2(tmp_path: Path, words: list[str], told: str) -> None:
    words = [str(tmp_path / word) if word in ("mine", "nothing") else word for word in words]
    code, _, error = call(*words)

    assert code == 2 and told in error
    assert not (tmp_path / "mine").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("x")
    code, _, error = call("new", "task2", tmp_path)

    assert code == 2 and "not an empty folder" in error
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
