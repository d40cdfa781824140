from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from mask_folders import SHAPE, cut, mask, repack, write_mask

from challenge.scoring import mask_file
from challenge.scoring.mask_file import UnreadableMask, WrongLabels, read_grid, read_labels


def read(path: Path, naming: str = "fets", either: bool = False) -> np.ndarray:
    return read_labels(path, read_grid(path), naming, either=either)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
def test_every_type_that_holds_labels(tmp_path: Path, dtype: str, ending: str) -> None:
    path = write_mask(tmp_path / f"a{ending}", mask().astype(dtype), (0.5, 2.0, 3.0), (10.0, -4.0, 1.0))
    image = SimpleITK.ReadImage(str(path))
    grid = read_grid(path)
    assert read(path).tolist() == SimpleITK.GetArrayFromImage(image).tolist() == mask().tolist()
    assert (grid.shape, grid.spacing) == (SHAPE, (3.0, 2.0, 0.5))
    assert (grid.origin, grid.direction) == (image.GetOrigin(), image.GetDirection())


def test_the_other_byte_order(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    data = mask().transpose().astype(">i2")
    image = nibabel.Nifti1Image(data, np.eye(4), nibabel.Nifti1Header(endianness=">"))
    image.header.set_data_dtype(">i2")
    nibabel.save(image, tmp_path / "a.nii.gz")
    assert gzip.decompress((tmp_path / "a.nii.gz").read_bytes())[:4] == b"\0\0\1\x5c"
    assert read(tmp_path / "a.nii.gz").tolist() == mask().tolist()


def test_scaled_values_are_what_the_scale_makes_of_them(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "a.nii", (mask() // 2).astype(np.int16))
    content = bytearray(path.read_bytes())
    content[112:120] = struct.pack("<2f", 2.0, 0.0)  # the labels 0, 1, 2 times 2
    path.write_bytes(content)
    assert read(path).tolist() == mask().tolist()


def test_2023_labels(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "three.nii.gz", mask(label=3))
    assert read(path, "brats2023").tolist() == mask().tolist()
    four = write_mask(tmp_path / "four.nii.gz", mask())
    assert read(four, "brats2023", either=True).tolist() == mask().tolist()
    with pytest.raises(WrongLabels, match="2024 post-treatment"):
        read(four, "brats2023")
    both = mask(label=3)
    both[0, 0, 0] = 4
    with pytest.raises(WrongLabels, match="2024 post-treatment"):
        read(write_mask(tmp_path / "both.nii.gz", both), "brats2023", either=True)


@pytest.mark.parametrize(("value", "dtype"), [(257, "i2"), (-1, "i2"), (1.5, "f4"), (np.nan, "f8")])
def test_numbers_that_are_no_labels(tmp_path: Path, value: float, dtype: str) -> None:
    labels = mask().astype(dtype)
    labels[0, 0, 0] = value
    with pytest.raises(WrongLabels, match=r"a\.nii\.gz"):
        read(write_mask(tmp_path / "a.nii.gz", labels))


@pytest.mark.parametrize("keep", [0.3, 0.9])
@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
def test_a_file_cut_short(tmp_path: Path, keep: float, ending: str) -> None:
    rng = np.random.default_rng(2)
    path = write_mask(tmp_path / f"a{ending}", rng.choice(np.array([0, 1, 2, 4], np.uint8), SHAPE))
    grid = read_grid(path)
    cut(path, keep)
    with pytest.raises(UnreadableMask, match="cut short"):
        read_labels(path, grid, "fets")


def test_a_stream_without_its_checksum(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "a.nii.gz", mask())
    grid = read_grid(path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UnreadableMask, match="cut short"):
        read_labels(path, grid, "fets")


def test_one_changed_byte_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "a.nii.gz", mask())
    grid = read_grid(path)
    content = bytearray(gzip.decompress(path.read_bytes()))
    good = gzip.compress(bytes(content))
    content[-1] = 4
    bad = gzip.compress(bytes(content))
    path.write_bytes(bad[:-8] + good[-8:])
    with pytest.raises(UnreadableMask, match="damaged"):
        read_labels(path, grid, "fets")


def test_a_stream_that_does_not_end_is_not_unpacked_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mask_file, "_TRAILING", 4096)
    path = write_mask(tmp_path / "a.nii.gz", mask())
    repack(path, gzip.decompress(path.read_bytes()) + bytes(1 << 20))
    with pytest.raises(UnreadableMask, match="goes on after its voxels"):
        read(path)


def test_a_header_that_promises_too_much(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "a.nii.gz", mask())
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[42:48] = struct.pack("<3h", 32000, 32000, 32000)
    repack(path, bytes(content))
    with pytest.raises(UnreadableMask, match="32000 x 32000 x 32000 voxels"):
        read_grid(path)


def test_what_is_no_mask(tmp_path: Path) -> None:
    (tmp_path / "text.nii.gz").write_text("no image")
    (tmp_path / "folder.nii.gz").mkdir()
    (tmp_path / "link.nii.gz").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.nii.gz")
    for name in ("text", "folder", "link", "pipe", "gone"):
        with pytest.raises(UnreadableMask, match=name):
            read_grid(tmp_path / f"{name}.nii.gz")
    series = SimpleITK.GetImageFromArray(np.zeros((3, *SHAPE), np.uint8), isVector=False)
    SimpleITK.WriteImage(series, str(tmp_path / "series.nii.gz"))
    with pytest.raises(UnreadableMask, match="three-dimensional"):
        read_grid(tmp_path / "series.nii.gz")
    # Another format under NIfTI's name is left unopened.
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(mask()), str(tmp_path / "a.nrrd"))
    (tmp_path / "a.nrrd").rename(tmp_path / "nrrd.nii")
    with pytest.raises(UnreadableMask, match="NIfTI"):
        read_grid(tmp_path / "nrrd.nii")
