"""How tissue and lesion look in T1, T1ce, T2 and FLAIR, before a scanner has its say.

Intensities are relative to about 1 for the brightest healthy tissue of a modality; the values follow
the usual appearance of untreated gliomas (core dark in T1, rim bright in T1ce, oedema bright in T2
and FLAIR, fluid dark in FLAIR).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from partitions.phantom.anatomy import Brain
from partitions.phantom.distractors import Distractors
from partitions.phantom.fields import smooth_field
from partitions.phantom.grid import Grid
from partitions.phantom.lesion import ENHANCING, NECROSIS, OEDEMA

MODALITIES = ("t1", "t1ce", "t2", "flair")

TISSUES: dict[str, tuple[float, float, float, float]] = {
    "fluid": (0.20, 0.22, 1.00, 0.16),
    "grey": (0.56, 0.62, 0.64, 0.60),
    "white": (0.86, 0.88, 0.46, 0.50),
    "necrosis": (0.36, 0.36, 0.90, 0.50),
    "oedema": (0.58, 0.60, 0.84, 0.90),
    "enhancing": (0.52, 1.10, 0.72, 0.72),
    "vessel": (0.56, 1.10, 0.52, 0.52),
    "hyperintensity": (0.62, 0.66, 0.72, 0.88),
}
"""Intensity in t1, t1ce, t2, flair."""

_TEXTURE_MM = {"oedema": 14.0, "necrosis": 9.0, "enhancing": 9.0}
_CASE_VARIATION = 0.05
_TEMPLATE_DETAIL = 0.25


def render(
    rng: np.random.Generator, grid: Grid, brain: Brain, labels: NDArray[np.uint8], extras: Distractors
) -> NDArray[np.float32]:
    """Return the ideal images of a case.

    Args:
        rng: Draws the case's own tissue intensities and textures.
        grid: The case's grid.
        brain: Healthy anatomy.
        labels: The lesion's labels (z, y, x).
        extras: What mimics a lesion.

    Returns:
        float32 array (4, z, y, x) in the order of `MODALITIES`, 0 outside the brain.
    """
    from scipy import ndimage

    varied = {
        name: np.array(values) * np.exp(rng.normal(0.0, _CASE_VARIATION, 4))
        for name, values in TISSUES.items()
    }
    # Partial volume: a border voxel holds some of both sides.
    soft = {
        name: ndimage.gaussian_filter((labels == label).astype(np.float32), 0.45)
        for name, label in (("necrosis", NECROSIS), ("oedema", OEDEMA), ("enhancing", ENHANCING))
    }
    healthy = np.clip(1.0 - sum(soft.values()), 0.0, 1.0)
    texture = {name: smooth_field(rng, grid, length) for name, length in _TEXTURE_MM.items()}
    # Uptake varies so much along the rim that parts of it are no brighter than white matter.
    uptake = np.clip(0.80 + 0.30 * texture["enhancing"], 0.20, 1.35)
    detail = _TEMPLATE_DETAIL * (brain.t1 - 0.75 * brain.white - 0.55 * brain.grey - 0.2 * brain.fluid)

    images = np.empty((4, *grid.shape), dtype=np.float32)
    for channel, modality in enumerate(MODALITIES):
        value = {name: np.float32(values[channel]) for name, values in varied.items()}
        image = value["fluid"] * brain.fluid + value["grey"] * brain.grey + value["white"] * brain.white
        if modality in ("t1", "t1ce"):
            image += detail
        image += (value["hyperintensity"] - image) * extras.hyperintense
        image += (value["vessel"] - image) * extras.contrast
        image *= healthy
        rim = value["enhancing"] * (1.0 + 0.08 * texture["oedema"])
        if modality == "t1ce":
            rim = value["oedema"] + (value["enhancing"] - value["oedema"]) * uptake
        image += soft["enhancing"] * rim
        image += soft["oedema"] * value["oedema"] * (1.0 + 0.09 * texture["oedema"])
        image += soft["necrosis"] * value["necrosis"] * (1.0 + 0.16 * texture["necrosis"])
        images[channel] = np.where(brain.mask, image, 0.0)
    return images
