import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from partitions.case import Case, find_cases
from partitions.errors import DataError
from partitions.reader import map_labels, read_case, read_labels, read_volume

MakeCase = Callable[..., Path]
Save = Callable[..., None]

BRATS2023 = {"t1": "-t1n", "t1ce": "-t1c", "t2": "-t2w", "flair": "-t2f", "seg": "-seg"}


def only_case(folder: Path, **options: Any) -> Case:
    [case] = find_cases(folder.parent, **options).cases
    return case


def labels(*values: float) -> np.ndarray[Any, Any]:
    array = np.zeros((12, 11, 10), np.float32)
    array.flat[: len(values)] = values
    return array


@pytest.mark.parametrize("extension", [".nii.gz", ".nii"])
def test_reads_what_was_written_in_zyx(make_case: MakeCase, extension: str) -> None:
    folder = make_case("a-1.0 x", extension=extension)
    volumes = read_case(only_case(folder))
    assert list(volumes.images) == ["t1", "t1ce", "t2", "flair"]
    for name, image in volumes.images.items():
        written = SimpleITK.ReadImage(str(folder / f"a-1.0 x_{name}{extension}"))
        assert image.dtype == np.float32
        np.testing.assert_array_equal(image, SimpleITK.GetArrayFromImage(written))
    assert volumes.labels is not None and volumes.labels.dtype == np.uint8
    assert np.bincount(volumes.labels.ravel(), minlength=5).tolist() == [1320 - 36, 1, 28, 0, 7]
    assert volumes.spacing == (2.0, 1.5, 1.0)
    assert volumes.origin == (1.0, 2.0, 3.0)
    assert volumes.direction == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def test_a_case_without_labels(make_case: MakeCase) -> None:
    folder = make_case(seg=None)
    case = only_case(folder, labels=False)
    assert read_case(case).labels is None
    with pytest.raises(DataError, match=r"has no labels; add case1_seg\.nii\.gz"):
        read_labels(case)


def test_2023_labels_are_mapped(make_case: MakeCase) -> None:
    folder = make_case("B", endings=BRATS2023, seg=labels(1, 2, 3, 3))
    found, geometry = read_labels(only_case(folder))
    assert found.flat[:5].tolist() == [1, 2, 4, 4, 0]
    assert geometry.shape == (12, 11, 10)


@pytest.mark.parametrize(
    ("naming", "values", "message"),
    [
        ("fets", (1, 3), "label 3 is the enhancing tumour of 2023"),
        ("fets", (3, 4), "label 3 is 2024 post-treatment"),
        ("fets", (5, 7), "has labels 5, 7; only 0, 1, 2, 4 are known"),
        ("fets", (0.5,), "has labels 0.5"),
        ("fets", (float("nan"),), "has labels nan"),
        ("fets", (-1,), "has labels -1"),
        ("brats2023", (3, 4), "2024 post-treatment labels"),
    ],
)
def test_other_labels_are_refused(naming: Any, values: tuple[float, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        map_labels(labels(*values), naming, Path("x_seg.nii.gz"))


def damaged(content: bytes, how: str) -> bytes:
    middle = len(content) // 2
    plain = gzip.decompress(content)
    return {
        "cut": content[:middle],
        "without checksum": content[:-8],
        "one bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "empty": b"",
        "text": b"no image at all" * 50,
        "short inside": gzip.compress(plain[: len(plain) // 2]),
        "no header": gzip.compress(b"no image at all" * 50),
        "bad offset": gzip.compress(plain[:108] + b"\x00\x00\xc0\x7f" + plain[112:]),
    }[how]


@pytest.mark.parametrize(
    "how", ["cut", "without checksum", "one bit", "empty", "text", "short inside", "no header", "bad offset"]
)
def test_a_damaged_file_is_named_and_never_read_as_zeros(make_case: MakeCase, how: str) -> None:
    folder = make_case()
    path = folder / "case1_t2.nii.gz"
    path.write_bytes(damaged(path.read_bytes(), how))
    with pytest.raises(DataError) as caught:
        read_case(only_case(folder))
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.nii\.gz: cannot be read \(No such file"):
        read_volume(tmp_path / "gone.nii.gz")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"spacing": (1.0, 1.5, 2.01)}, "spacing"),
        ({"origin": (1.0, 2.0, 3.1)}, "origin"),
        ({"direction": (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0)}, "direction"),
    ],
)
def test_another_grid_is_refused(make_case: MakeCase, save: Save, change: dict[str, Any], what: str) -> None:
    folder = make_case()
    save(folder / "case1_flair.nii.gz", np.ones((12, 11, 10), np.float32), **change)
    with pytest.raises(DataError, match=rf"case1_flair\.nii\.gz: {what} differ from case1_t1\.nii\.gz"):
        read_case(only_case(folder))


def test_rounding_in_the_header_is_not_another_grid(make_case: MakeCase, save: Save) -> None:
    folder = make_case()
    array = np.ones((12, 11, 10), np.float32)
    save(folder / "case1_flair.nii.gz", array, spacing=(1.0004, 1.5, 2.0), origin=(1.0, 2.0005, 3.0))
    np.testing.assert_array_equal(read_case(only_case(folder)).images["flair"], array)


def test_labels_of_another_size_are_refused(make_case: MakeCase) -> None:
    folder = make_case(seg=np.zeros((12, 11, 9), np.uint8))
    with pytest.raises(DataError, match="size differ"):
        read_case(only_case(folder))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(make_case: MakeCase, value: float) -> None:
    array = np.ones((12, 11, 10), np.float32)
    array[5, 5, 5] = value
    folder = make_case(t1ce=array)
    with pytest.raises(DataError, match=r"case1_t1ce\.nii\.gz: has NaN or infinite values"):
        read_case(only_case(folder))


def test_four_dimensions_are_refused(make_case: MakeCase) -> None:
    folder = make_case()
    path = folder / "case1_t1.nii.gz"
    stack = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(np.ones((3, 3, 3), np.float32))] * 2)
    SimpleITK.WriteImage(stack, str(path))
    with pytest.raises(DataError, match="not a three-dimensional image"):
        read_case(only_case(folder))
