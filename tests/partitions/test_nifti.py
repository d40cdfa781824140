import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from partitions.errors import DataError
from partitions.nifti import count_not_finite


def write(path: Path, array: np.ndarray) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(path))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
def test_counts_every_nan_and_infinity(tmp_path: Path, dtype: type, name: str) -> None:
    array = np.ones((50, 70, 90), dtype)
    array[0, 0, 0], array[20, 30, 40], array[-1, -1, -1] = np.nan, np.inf, -np.inf
    write(tmp_path / name, array)
    assert count_not_finite(tmp_path / name) == 3


def test_whole_numbers_cannot_be_nan(tmp_path: Path) -> None:
    write(tmp_path / "a.nii.gz", np.full((4, 4, 4), -1, np.int16))
    assert count_not_finite(tmp_path / "a.nii.gz") == 0


@pytest.mark.parametrize("order", ["<", ">"])
def test_nifti_2_in_both_byte_orders(tmp_path: Path, order: str) -> None:
    header = bytearray(544)
    struct.pack_into(f"{order}i", header, 0, 540)
    struct.pack_into(f"{order}2h", header, 12, 16, 32)
    struct.pack_into(f"{order}8q", header, 16, 3, 2, 2, 2, 1, 1, 1, 1)
    struct.pack_into(f"{order}q", header, 168, 544)
    voxels = np.array([1, 2, np.nan, 4, 5, np.inf, 7, 8], f"{order}f4").tobytes()
    (tmp_path / "a.nii").write_bytes(bytes(header) + voxels)
    assert count_not_finite(tmp_path / "a.nii") == 2
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(bytes(header) + voxels[:-1]))
    with pytest.raises(DataError, match=r"b\.nii\.gz: is cut short, 31|b\.nii\.gz: is cut short, 1 of 32"):
        count_not_finite(tmp_path / "b.nii.gz")
