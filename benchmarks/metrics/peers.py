"""The same three HD95 values, or all the metrics, as other libraries give them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.metrics.volumes import SPACING, Pair
from tasks.segmentation.metrics.counts import labelled_box
from tasks.segmentation.regions import to_regions

Mask = npt.NDArray[np.bool_]


def medpy_full(pair: Pair) -> Mapping[str, float]:
    """Return medpy's HD95 of three regions, on the whole volume as people call it."""
    return _medpy(to_regions(pair.reference), to_regions(pair.prediction))


def medpy_box(pair: Pair) -> Mapping[str, float]:
    """Return medpy's HD95 of three regions, on the box around both masks, a voxel wider."""
    box = _box(pair)
    return _medpy(to_regions(pair.reference[box]), to_regions(pair.prediction[box]))


def monai_five(pair: Pair) -> Mapping[str, float]:
    """Return MONAI's HD95 (of the two directions the larger), with Dice and the confusion matrix."""
    import torch

    warnings.filterwarnings("ignore", category=FutureWarning, module="monai")  # it warns of its own calls
    from monai.metrics import compute_dice, compute_hausdorff_distance, get_confusion_matrix

    truth, guess = (
        torch.from_numpy(to_regions(labels)[np.newaxis].astype(np.float32))
        for labels in (pair.reference, pair.prediction)
    )
    compute_dice(guess, truth)
    get_confusion_matrix(guess, truth)
    found = compute_hausdorff_distance(guess, truth, include_background=True, percentile=95, spacing=SPACING)
    return dict(zip(("wt", "tc", "et"), found[0].tolist(), strict=True))


def _medpy(truth: Mask, guess: Mask) -> Mapping[str, float]:
    from medpy.metric.binary import hd95  # type: ignore[import-untyped]

    found: dict[str, Any] = {
        region: float(hd95(theirs, ours, voxelspacing=SPACING))
        for region, ours, theirs in zip(("wt", "tc", "et"), truth, guess, strict=True)
    }
    return found


def _box(pair: Pair) -> tuple[slice, ...]:
    found = labelled_box(pair.reference, pair.prediction)
    return tuple(
        slice(max(0, part.start - 1), min(size, part.stop + 1))
        for part, size in zip(found, pair.reference.shape, strict=True)
    )
