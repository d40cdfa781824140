"""A preprocessed case on disk, as the network reads it: arrays mapped into memory, nothing compressed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fl_core.errors import InputError


@dataclass(frozen=True)
class Entry:
    """One case of the cache.

    Attributes:
        folder: Holds ``image.npy``, ``labels.npy`` and ``meta.json``.
        case: The case's id.
        offset: Corner of the crop in the full grid, voxels (z, y, x).
        spacing: Voxel size, mm (z, y, x).
    """

    folder: Path
    case: str
    offset: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @cached_property
    def image(self) -> npt.NDArray[np.float32]:
        """The normalised crop, (4, z, y, x), read-only."""
        return _mapped(self.folder / "image.npy")

    @cached_property
    def labels(self) -> npt.NDArray[np.uint8]:
        """The labels on the full grid, (z, y, x), read-only."""
        return _mapped(self.folder / "labels.npy")

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """Where the crop lies in the full grid."""
        z, y, x = (slice(o, o + n) for o, n in zip(self.offset, self.image.shape[1:], strict=True))
        return z, y, x

    @property
    def cropped_labels(self) -> npt.NDArray[np.uint8]:
        """The labels on the crop's grid."""
        return self.labels[self.box]


def open_entry(folder: Path) -> Entry:
    """Open one case of the cache.

    Raises:
        InputError: The folder is no cache entry.
    """
    path = folder / "meta.json"
    try:
        meta = json.loads(path.read_bytes())
        z, y, x = (int(value) for value in meta["offset"])
        dz, dy, dx = (float(value) for value in meta["spacing"])
        return Entry(folder, str(meta["case"]), (z, y, x), (dz, dy, dx))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not a preprocessed case ({error}); delete the folder and run again"
        ) from error


def _mapped(path: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); delete its folder and run again") from error
    return array
