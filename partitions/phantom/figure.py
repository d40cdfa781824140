"""The picture of a phantom federation: one case per institution."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_COLOURS = {1: (0.85, 0.15, 0.15), 2: (0.20, 0.70, 0.35), 4: (0.98, 0.85, 0.20)}
_MARGIN = 2


def draw_federation(folder: Path, target: Path) -> Path:
    """Draw T1ce, FLAIR and labels of the first case of each institution, cut where most of it enhances.

    Args:
        folder: A folder that `write_phantom` wrote.
        target: The picture to write; its suffix tells the format.

    Returns:
        `target`.

    Raises:
        OSError: The folder cannot be read or the picture not written.
    """
    from matplotlib.figure import Figure

    with (folder / "partition.csv").open(newline="") as lines:
        first: dict[str, str] = {}
        for row in csv.DictReader(lines):
            first.setdefault(row["Partition_ID"], row["Subject_ID"])
    figure = Figure(figsize=(1.55 * len(first), 5.6), facecolor="black", layout="constrained")
    axes = figure.subplots(3, len(first), squeeze=False)
    for column, (institution, case) in enumerate(first.items()):
        labels = _read(folder, case, "seg")
        slice_number = int(np.argmax((labels == 4).sum(axis=(1, 2))))
        t1ce, flair = (_grey(_read(folder, case, name)[slice_number]) for name in ("t1ce", "flair"))
        pictures = (t1ce, flair, _overlay(flair, labels[slice_number]))
        for row_axes, picture, name in zip(axes, pictures, ("T1ce", "FLAIR", "labels"), strict=True):
            axis = row_axes[column]
            axis.imshow(_cropped(picture, flair > 0), interpolation="nearest", aspect="equal")
            axis.set_axis_off()
            if column == 0:
                axis.text(-0.06, 0.5, name, color="white", rotation=90, va="center", transform=axis.transAxes)
        axes[0][column].set_title(f"institution {institution}", color="white", fontsize=9)
    figure.savefig(target, dpi=110, facecolor="black", metadata={"Software": None})
    return target


def _read(folder: Path, case: str, name: str) -> NDArray[np.float32]:
    import SimpleITK as sitk

    image = sitk.ReadImage(str(folder / case / f"{case}_{name}.nii.gz"), sitk.sitkFloat32)
    volume: NDArray[np.float32] = sitk.GetArrayFromImage(image)
    return volume


def _grey(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale a slice to [0, 1], the brightest half percent of the brain cut."""
    top = float(np.quantile(picture[picture > 0], 0.995)) if (picture > 0).any() else 1.0
    scaled = np.clip(picture / np.float32(top), 0.0, 1.0)
    return np.repeat(scaled[..., None], 3, axis=-1)


def _overlay(picture: NDArray[np.float32], labels: NDArray[np.float32]) -> NDArray[np.float32]:
    painted = picture.copy()
    for label, colour in _COLOURS.items():
        painted[labels == label] = 0.4 * picture[labels == label] + 0.6 * np.array(colour, dtype=np.float32)
    return painted


def _cropped(picture: NDArray[np.float32], brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the slice cut to the brain's box and a margin."""
    rows, columns = (np.flatnonzero(brain.any(axis=(1 - axis, 2))) for axis in (0, 1))
    top, left = max(0, rows[0] - _MARGIN), max(0, columns[0] - _MARGIN)
    cut: NDArray[np.float32] = picture[top : rows[-1] + 1 + _MARGIN, left : columns[-1] + 1 + _MARGIN]
    return cut
