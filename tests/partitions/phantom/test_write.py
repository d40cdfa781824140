from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from partitions.errors import DataError
from partitions.phantom.federation import TINY, TINY_SPACING_MM
from partitions.phantom.grid import grid_at
from partitions.phantom.write import write_phantom


def write(folder: Path, seed: int = 0, workers: int = 1) -> list[Path]:
    return write_phantom(folder, seed=seed, institutions=TINY, spacing_mm=TINY_SPACING_MM, workers=workers)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    write(folder)
    return folder


def test_the_folders_are_those_of_real_data(phantom: Path) -> None:
    names = [f"Phantom_{number:04d}" for number in range(1, 11)]
    assert sorted(path.name for path in phantom.iterdir() if path.is_dir()) == names
    for name in names:
        expected = {f"{name}_{kind}.nii.gz" for kind in ("t1", "t1ce", "t2", "flair", "seg")}
        assert {path.name for path in (phantom / name).iterdir()} == expected


def test_the_same_seed_writes_the_same_bytes(phantom: Path, tmp_path: Path) -> None:
    write(tmp_path)
    assert digests(tmp_path) == digests(phantom)


def test_two_workers_write_the_same_bytes(phantom: Path, tmp_path: Path) -> None:
    write(tmp_path, workers=2)
    assert digests(tmp_path) == digests(phantom)


def test_another_seed_writes_other_images(phantom: Path, tmp_path: Path) -> None:
    write(tmp_path, seed=1)
    first, second = digests(phantom), digests(tmp_path)
    assert first.keys() == second.keys()
    assert all(first[name] != second[name] for name in first if name.endswith(".nii.gz"))


def test_headers_agree_within_a_case(phantom: Path) -> None:
    grid = grid_at(TINY_SPACING_MM)
    for path in sorted((phantom / "Phantom_0003").iterdir()):
        image = sitk.ReadImage(str(path))
        assert image.GetSize() == grid.shape[::-1]
        assert image.GetSpacing() == (8.0, 8.0, 8.0)
        assert image.GetOrigin() == pytest.approx(grid.origin[::-1])
        assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
        assert image.GetPixelID() == (sitk.sitkUInt8 if path.name.endswith("_seg.nii.gz") else sitk.sitkInt16)


def test_every_modality_has_the_same_brain_and_all_labels(phantom: Path) -> None:
    for folder in (path for path in phantom.iterdir() if path.is_dir()):
        volumes = {
            path.name.removesuffix(".nii.gz").rsplit("_", 1)[1]: sitk.GetArrayFromImage(
                sitk.ReadImage(str(path))
            )
            for path in folder.iterdir()
        }
        labels = volumes.pop("seg")
        assert set(np.unique(labels)) == {0, 1, 2, 4}
        brain = volumes["t1"] > 0
        assert all(np.array_equal(volume > 0, brain) for volume in volumes.values())
        assert brain[labels > 0].all()


def test_the_partition_names_every_case_once(phantom: Path) -> None:
    with (phantom / "partition.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["Partition_ID"] for row in rows] == ["1"] * 4 + ["2"] * 3 + ["3"] * 3
    assert [row["Subject_ID"] for row in rows] == [f"Phantom_{number:04d}" for number in range(1, 11)]
    hidden = [row["Subject_ID"] for row in rows if row["TrainOrVal"] == "test"]
    assert hidden == ["Phantom_0004", "Phantom_0007", "Phantom_0010"]
    assert {row["TrainOrVal"] for row in rows} == {"", "test"}


def test_the_description_says_how_to_write_it_again(phantom: Path) -> None:
    description = json.loads((phantom / "phantom.json").read_text())
    assert description["schema"] == "phantom/1"
    assert description["seed"] == 0
    assert description["grid"]["shape_zyx"] == list(grid_at(TINY_SPACING_MM).shape)
    assert [spec["tumours"]["core_ml"] for spec in description["institutions"]] == [40.0, 60.0, 30.0]


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    folders = write_phantom(
        tmp_path,
        institutions=TINY[:1],
        cases=3,
        spacing_mm=8.0,
        progress=lambda done, of: seen.append((done, of)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert folders == [tmp_path / f"Phantom_000{number}" for number in (1, 2, 3)]


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="different names"):
        write_phantom(tmp_path, institutions=[TINY[0], TINY[0]], spacing_mm=8.0)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_cases_is_refused(tmp_path: Path) -> None:
    (tmp_path / "BraTS_0001").mkdir()
    with pytest.raises(DataError, match="BraTS_0001, 1 in all"):
        write_phantom(tmp_path, institutions=TINY, spacing_mm=TINY_SPACING_MM)
    assert [path.name for path in tmp_path.iterdir()] == ["BraTS_0001"]


def test_an_interrupted_phantom_has_no_description(tmp_path: Path) -> None:
    write_phantom(tmp_path, institutions=TINY[:1], cases=3, spacing_mm=TINY_SPACING_MM)

    def interrupt(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantom(
            tmp_path, institutions=TINY[:1], cases=3, spacing_mm=TINY_SPACING_MM, progress=interrupt
        )
    assert not (tmp_path / "phantom.json").exists()
