"""The tumour regions that are trained, scored and ranked, and their relation to the labels.

Labels are 0 (background), 1 (necrotic core), 2 (oedema) and 4 (enhancing tumour); the regions are nested,
ET in TC in WT.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

REGIONS: Final[Mapping[str, tuple[int, ...]]] = {"wt": (1, 2, 4), "tc": (1, 4), "et": (4,)}
"""Labels of each region; the order is the order of every array with a region axis."""

LABELS: Final[tuple[int, ...]] = (0, 1, 2, 4)
"""The labels; the order is the order of every array with a label axis."""

Array = npt.NDArray[Any]


def to_regions(labels: Array) -> npt.NDArray[np.bool_]:
    """Return the masks of WT, TC and ET.

    Args:
        labels: (z, y, x), values 0, 1, 2, 4.

    Returns:
        (3, z, y, x).

    Example:
        >>> to_regions(np.array([[[0, 1, 2, 4]]]))[:, 0, 0].astype(int).tolist()
        [[0, 1, 1, 1], [0, 1, 0, 1], [0, 0, 0, 1]]
    """
    core = (labels == 1) | (labels == 4)
    return np.stack([core | (labels == 2), core, labels == 4])


def to_labels(masks: Array) -> npt.NDArray[np.uint8]:
    """Return labels from the masks of WT, TC and ET, also where the masks are not nested.

    An inner region counts only inside the outer ones: TC outside WT, or ET outside TC, is background or
    the outer region's label. A prediction without whole tumour is then empty, not a loose rim.

    Args:
        masks: (3, z, y, x), boolean.

    Returns:
        (z, y, x), values 0, 1, 2, 4.

    Example:
        >>> to_labels(np.array([[[[1, 1, 1, 0]]], [[[0, 1, 1, 1]]], [[[0, 0, 1, 1]]]], bool))[0, 0].tolist()
        [2, 1, 4, 0]
    """
    whole, core, enhancing = masks
    labels = np.where(whole, np.uint8(2), np.uint8(0))
    labels[whole & core] = 1
    labels[whole & core & enhancing] = 4
    return labels


def label_probabilities(regions: Array) -> Array:
    """Return the probabilities of the labels 0, 1, 2, 4 from those of WT, TC, ET.

    p0 = 1 - WT, p2 = WT - TC, p1 = TC - ET, p4 = ET, each clipped at 0 and the four divided by their sum
    (the clipping matters where the outputs are not nested).

    Args:
        regions: (3, ...), in [0, 1].

    Returns:
        (4, ...) in the order of `LABELS`, same dtype, sum 1.

    Example:
        >>> label_probabilities(np.array([0.75, 0.5, 0.25])).tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    whole, core, enhancing = regions
    raw = np.stack([1 - whole, core - enhancing, whole - core, enhancing])
    np.clip(raw, 0, None, out=raw)
    # The sum is at least 1: it is (1 - WT) + max(WT - TC, 0) + max(TC - ET, 0) + ET.
    raw /= raw.sum(axis=0)
    return raw
