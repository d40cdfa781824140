"""Folders of small NIfTI masks, and what a header or a stream can get wrong."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK

SHAPE = (12, 16, 20)


def mask(shift: int = 0, label: int = 4) -> np.ndarray:
    """A cube of 6 voxels with a rim of oedema."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:10, 3:11, 3 + shift : 11 + shift] = 2
    labels[3:9, 4:10, 4 + shift : 10 + shift] = label
    return labels


def write_mask(
    path: Path,
    labels: np.ndarray,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    origin: Sequence[float] = (0.0, 0.0, 0.0),
) -> Path:
    """Write labels (z, y, x); spacing and origin are in (x, y, z), mm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(labels)
    image.SetSpacing(tuple(spacing))
    image.SetOrigin(tuple(origin))
    SimpleITK.WriteImage(image, str(path), True)
    return path


def cut(path: Path, keep: float) -> None:
    """Keep only the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


def repack(path: Path, content: bytes) -> None:
    """Write a gzip stream of other content, with a right checksum."""
    path.write_bytes(gzip.compress(content))
