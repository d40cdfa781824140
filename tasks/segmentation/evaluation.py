"""What a validation reports of one case, and the means over a site's cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.segmentation.metrics.score import score_case
from tasks.segmentation.metrics.surface import hausdorff_95
from tasks.segmentation.regions import LABELS, REGIONS, label_probabilities

SMOOTH = 1e-7
Array = npt.NDArray[Any]


def hard_dice(reference: Array, prediction: Array) -> dict[str, float]:
    """Return ``dice_wt``, ``dice_tc``, ``dice_et`` and their mean ``dice``; 1 where both are empty.

    Args:
        reference: Labels of the full grid, (z, y, x).
        prediction: Predicted labels, the same grid.
    """
    # One histogram of label pairs holds every count; labels are below 8.
    pairs = np.bincount((reference.ravel() << 3 | prediction.ravel()).astype(np.intp), minlength=64)
    table = pairs.reshape(8, 8)
    scores: dict[str, float] = {}
    for region, labels in REGIONS.items():
        rows, columns = table[list(labels)].sum(), table[:, list(labels)].sum()
        both = table[np.ix_(labels, labels)].sum()
        scores[f"dice_{region}"] = float(2 * both / (rows + columns)) if rows + columns else 1.0
    scores["dice"] = float(np.mean(list(scores.values())))
    return scores


def soft_label_dice(labels: Array, regions: Array, outside: int) -> dict[str, float]:
    """Return the score that the FeTS 2022 challenge called Dice: soft, per label, background included.

    Per label (2 sum(p g) + s) / (sum p + sum g + s) with s = 1e-7 over the whole grid, p from
    `label_probabilities` and no threshold; ``valid_dice`` is the mean over the four labels.

    Args:
        labels: The reference on the crop, (z, y, x).
        regions: Probabilities of WT, TC and ET on the crop, (3, z, y, x).
        outside: How many voxels of the full grid lie outside the crop; they are background in both.
    """
    probabilities = label_probabilities(regions)
    scores: dict[str, float] = {}
    for index, label in enumerate(LABELS):
        hit = labels == label
        extra = outside if label == 0 else 0
        shared = float(probabilities[index][hit].sum(dtype=np.float64)) + extra
        sizes = float(probabilities[index].sum(dtype=np.float64)) + int(hit.sum()) + 2 * extra
        scores[f"valid_dice_per_label_{label}"] = (2 * shared + SMOOTH) / (sizes + SMOOTH)
    return {"valid_dice": float(np.mean(list(scores.values()))), **scores}


def label_distances(reference: Array, prediction: Array, spacing: Sequence[float]) -> dict[str, float]:
    """Return ``valid_hd95_per_label_{0,1,2,4}``, mm, of labels on the full grid (z, y, x)."""
    return {
        f"valid_hd95_per_label_{label}": hausdorff_95(reference == label, prediction == label, spacing)
        for label in LABELS
    }


def case_row(case: str, reference: Array, prediction: Array, spacing: Sequence[float]) -> dict[str, Any]:
    """Return the case's row: its id, status ``ok`` and all the metrics of cases.csv."""
    return {"case": case, "status": "ok", **score_case(reference, prediction, spacing)}


def means(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean over the cases of each metric.

    Raises:
        ValueError: There are no cases.

    Example:
        >>> means([{"dice": 0.5}, {"dice": 1.0}])
        {'dice': 0.75}
    """
    if not values:
        raise ValueError("a mean over no cases is not defined")
    return {name: float(np.mean([value[name] for value in values])) for name in values[0]}
