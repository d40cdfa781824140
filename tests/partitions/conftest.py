"""Small real NIfTI cases, written through SimpleITK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

SHAPE = (12, 11, 10)
SPACING_XYZ = (1.0, 1.5, 2.0)

FETS = {name: f"_{name}" for name in ("t1", "t1ce", "t2", "flair", "seg")}


def volume(seed: int) -> np.ndarray[Any, Any]:
    array = np.zeros(SHAPE, np.float32)
    array[2:10, 2:9, 1:8] = np.random.default_rng(seed).normal(100, 10, (8, 7, 7))
    return array


def mask() -> np.ndarray[Any, Any]:
    array = np.zeros(SHAPE, np.uint8)
    array[3:7, 3:6, 2:5] = 2
    array[4:6, 4:6, 3:5] = 4
    array[4, 4, 3] = 1
    return array


def write_image(
    path: Path, array: np.ndarray[Any, Any], spacing: tuple[float, ...] = SPACING_XYZ, **moved: Any
) -> None:
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(moved.get("origin", (1.0, 2.0, 3.0)))
    if "direction" in moved:
        image.SetDirection(moved["direction"])
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(path))


@pytest.fixture
def save() -> Callable[..., None]:
    """`write_image`, for a single file."""
    return write_image


@pytest.fixture
def make_case(tmp_path: Path) -> Callable[..., Path]:
    """Write a case below tmp_path/data, return its folder; `arrays` replaces files, None leaves one out."""

    def make(
        case: str = "case1",
        endings: Mapping[str, str] = FETS,
        extension: str = ".nii.gz",
        seed: int = 0,
        **arrays: np.ndarray[Any, Any] | None,
    ) -> Path:
        folder = tmp_path / "data" / case
        folder.mkdir(parents=True)
        for number, (name, ending) in enumerate(endings.items()):
            array = arrays.get(name, mask() if name == "seg" else volume(10 * seed + number))
            if array is not None:
                write_image(folder / f"{case}{ending}{extension}", array)
        return folder

    return make
