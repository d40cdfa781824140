from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from typer.testing import CliRunner

from challenge.cli.partition import app
from partitions.errors import DataError
from partitions.table import read_partition


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Nine cases of 1 to 9 ml in two institutions."""
    folder = tmp_path / "data"
    for number in range(1, 10):
        (folder / f"c{number}").mkdir(parents=True)
        for name in ("t1", "t1ce", "t2", "flair", "seg"):
            array = np.ones((10, 10, 10), np.float32)
            if name == "seg":
                array = np.zeros((10, 10, 10), np.uint8)
                array[:number] = 2
            image = SimpleITK.GetImageFromArray(array)
            image.SetSpacing((2.0, 5.0, 1.0))
            SimpleITK.WriteImage(image, str(folder / f"c{number}" / f"c{number}_{name}.nii.gz"))
    rows = "".join(f"{1 if number < 7 else 2},c{number}\n" for number in range(1, 10))
    (folder / "partition.csv").write_text("Partition_ID,Subject_ID\n" + rows)
    return folder


def run(*arguments: object) -> list[str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_list_names_the_schemes() -> None:
    names = [line.split()[0] for line in run("list")]
    assert names == ["natural", "tumour-size", "iid", "dirichlet", "quantity-skew", "fets23", "fets33"]


def test_show_prints_sizes_and_volumes_and_draws(data: Path, tmp_path: Path) -> None:
    lines = run("show", "natural", "--data", data, "--figure", tmp_path / "f.svg")
    # 6 cases: 1 hidden, floor(0.8 * 5) = 4 train; 3 cases: 1 of each.
    assert lines[1].split()[:7] == ["1", "4", "1", "1", "1.0", "3.5", "6.0"]
    assert lines[2].split()[:7] == ["2", "1", "1", "1", "7.0", "8.0", "9.0"]
    assert lines[1].endswith("█" * 24 + " 6") and lines[2].endswith(" " + "█" * 12 + " 3")
    assert lines[3] == f"figure in {tmp_path / 'f.svg'}"
    assert "<svg" in (tmp_path / "f.svg").read_text()


def test_show_of_a_csv_alone_shows_its_cases(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("Partition_ID,Subject_ID,TrainOrVal\n01,a,train\n01,b,val\n01,c,test\n")
    assert [line.split()[:4] for line in run("show", path)][1] == ["01", "1", "1", "1"]


def test_show_says_how_many_are_hidden_without_an_institution(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("Partition_ID,Subject_ID\nx,c1\nx,c2\n")
    assert run("show", path, "--data", data)[-1] == "7 hidden test cases belong to no institution"


def test_a_scheme_without_data_divides_the_embedded_phantom(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("challenge.task1.embedded.embedded_phantom", lambda *_: data)
    assert run("show", "natural") == run("show", "natural", "--data", data)


def test_a_name_that_is_nothing_gets_the_nearest_scheme() -> None:
    with pytest.raises(DataError, match=r"neither a CSV file nor a scheme; did you mean iid\?"):
        run("show", "iidd")


def test_make_writes_a_marked_csv_that_shows_the_same(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "made.csv"
    [line] = run("make", "iid", "--data", data, "--out", out, "--institutions", 3, "--seed", 5)
    assert line.startswith("3 institutions, 9 cases, 3 of all hidden as test cases")
    made = read_partition(out)
    assert {row.part for row in made.rows} == {"train", "val", "test"}
    assert run("show", out, "--data", data, "--seed", 99) == run(
        "show", "iid", "--data", data, "--institutions", 3, "--seed", 5
    )
    with pytest.raises(DataError, match="exists already"):
        run("make", "iid", "--data", data, "--out", out)


def test_make_from_a_folder_without_cases_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no complete case"):
        run("make", "iid", "--data", tmp_path / "empty", "--out", tmp_path / "o.csv")
