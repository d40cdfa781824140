"""A case's scores: Dice, HD95, sensitivity, specificity and precision of WT, TC and ET."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tasks.segmentation.metrics.counts import overlay
from tasks.segmentation.metrics.penalty import penalty_distance
from tasks.segmentation.metrics.surface import Definition, diagonal, hausdorff_95_of_codes
from tasks.segmentation.regions import REGIONS

METRICS = ("dice", "hd95", "sensitivity", "specificity", "precision")
COLUMNS = tuple(f"{metric}_{region}" for metric in METRICS for region in REGIONS)
"""The metric columns of cases.csv, in order."""


def score_case(
    reference: npt.NDArray[np.generic],
    prediction: npt.NDArray[np.generic],
    spacing: Sequence[float],
    *,
    definition: Definition = "pooled",
) -> dict[str, float]:
    """Score one prediction.

    A region that is empty in both has Dice, sensitivity, specificity and precision 1 and HD95 0;
    one that is empty in one of them has Dice, sensitivity and precision 0 and for HD95 the
    volume's diagonal.

    Args:
        reference: Labels 0, 1, 2, 4 of shape (z, y, x) on the full grid, best as uint8.
        prediction: The prediction's labels, on the same grid.
        spacing: Voxel size in mm, (z, y, x).
        definition: ``pooled`` (both directions in one list, as medpy and FeTS) or ``maxdir``
            (the larger of the two directed percentiles, as MONAI).

    Returns:
        A value for each of `COLUMNS`, HD95 in mm.

    Raises:
        GeometryError: Shapes differ or the spacing is not three positive lengths.
        LabelError: A label other than 0, 1, 2, 4 occurs.
        MetricError: An array does not hold integers, or the definition is unknown.

    Example:
        >>> volume = np.zeros((8, 8, 8), np.uint8)
        >>> volume[2:5, 2:5, 2:5] = 4
        >>> scores = score_case(volume, volume, (1, 1, 1))
        >>> scores["dice_et"], scores["hd95_et"]
        (1.0, 0.0)
    """
    empty = diagonal(reference.shape, spacing) if reference.ndim == 3 else 0.0
    laid = overlay(reference, prediction)
    pairs = [(i, i + len(REGIONS)) for i in range(len(REGIONS))]
    distances = hausdorff_95_of_codes(laid.codes, pairs, spacing, empty, definition=definition)
    values: dict[str, float] = {}
    for (region, counts), distance in zip(laid.counts.items(), distances, strict=True):
        values[f"dice_{region}"] = counts.dice
        values[f"hd95_{region}"] = distance
        values[f"sensitivity_{region}"] = counts.sensitivity
        values[f"specificity_{region}"] = counts.specificity
        values[f"precision_{region}"] = counts.precision
    return {column: values[column] for column in COLUMNS}


def penalty_row(volume_shape: Sequence[int], spacing: Sequence[float]) -> dict[str, float]:
    """Return the scores of a case without a usable prediction; the reason belongs in `status`.

    HD95 is the larger of 374 mm and the volume's diagonal, so that no poor prediction is worse than
    none; all other scores are 0.

    Args:
        volume_shape: The reference's shape, (z, y, x).
        spacing: Its voxel size in mm, (z, y, x).

    Raises:
        GeometryError: Shape or spacing are not three sizes.

    Example:
        >>> penalty_row((155, 240, 240), (1, 1, 1))["hd95_wt"]
        374.0
    """
    farthest = penalty_distance(volume_shape, spacing)
    return {column: farthest if column.startswith("hd95_") else 0.0 for column in COLUMNS}
