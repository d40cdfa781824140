from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from typer.testing import CliRunner

from challenge.cli.data import app
from partitions.errors import DataError

FILES = ("t1", "t1ce", "t2", "flair", "seg")


def make_case(data: Path, case: str, missing: str = "") -> None:
    (data / case).mkdir(parents=True)
    for name in FILES:
        if name != missing:
            array = np.ones((6, 6, 6), np.uint8 if name == "seg" else np.float32)
            SimpleITK.WriteImage(
                SimpleITK.GetImageFromArray(array), str(data / case / f"{case}_{name}.nii.gz")
            )


def test_check_of_good_cases_exits_0(tmp_path: Path) -> None:
    make_case(tmp_path, "a-1")
    make_case(tmp_path, "b c")
    result = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "a-1\tok",
        "b c\tok",
        f"2 of 2 cases are complete, 0 problems in {tmp_path}",
    ]


def test_check_of_a_bad_case_exits_1_and_names_it(tmp_path: Path) -> None:
    make_case(tmp_path, "a")
    make_case(tmp_path, "b", missing="t2")
    (tmp_path / "loose.nii").touch()
    result = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("-\torphan\tloose.nii")
    assert lines[1] == "a\tok"
    assert lines[2].startswith("b\tmissing\tt2 is missing")
    assert lines[3].startswith("1 of 2 cases are complete, 2 problems")


def test_check_of_no_folder_is_an_input_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(tmp_path / "gone")])
    assert isinstance(result.exception, DataError)
    assert result.exception.exit_code == 2


@pytest.mark.slow
def test_phantom_writes_cases_that_pass_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    result = CliRunner().invoke(app, ["phantom", str(tmp_path / "new"), "--cases", "18", "--seed", "3"])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("18 cases in ")
    assert CliRunner().invoke(app, ["check", str(tmp_path / "new")]).exit_code == 0


def test_phantom_passes_its_options_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Path, int, int | None]] = []

    def write(folder: Path, *, seed: int, cases: int | None, **_: object) -> list[Path]:
        calls.append((folder, seed, cases))
        return [folder / "a", folder / "b"]

    monkeypatch.setattr("partitions.phantom.write.write_phantom", write)
    result = CliRunner().invoke(app, ["phantom", str(tmp_path), "--cases", "20", "--seed", "3"])
    CliRunner().invoke(app, ["phantom", str(tmp_path)])
    assert calls == [(tmp_path, 3, 20), (tmp_path, 0, None)]
    assert result.stdout.startswith(f"2 cases in {tmp_path};")


def test_phantom_never_writes_among_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    result = CliRunner().invoke(app, ["phantom", str(tmp_path)])
    assert isinstance(result.exception, DataError)
    assert "is not an empty folder; name a new one" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
