"""Voxel counts of every region at once, and the four scores that follow from them.

Labels are bits (1, 2, 4), so reference and prediction together fit in six bits of a byte and one
histogram of 64 bins holds the counts of all regions. Only what lies in the common bounding box is
looked at voxel by voxel; most of a brain volume is background in both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.segmentation.metrics.errors import GeometryError, LabelError, MetricError
from tasks.segmentation.regions import LABELS, REGIONS

Volume = npt.NDArray[np.uint8]

_PREDICTION_SHIFT = 3  # labels need three bits, and so do the regions


@dataclass(frozen=True, slots=True)
class Counts:
    """One region's voxels in one case; the negatives are those of the whole volume.

    A ratio without a denominator follows the project's rule for empty regions: it is 1 if
    reference and prediction are both empty, else 0.

    Example:
        >>> counts = Counts(true_positive=3, false_positive=1, false_negative=1, true_negative=95)
        >>> counts.dice, counts.sensitivity
        (0.75, 0.75)
    """

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def reference(self) -> int:
        """Voxels of the region in the reference."""
        return self.true_positive + self.false_negative

    @property
    def prediction(self) -> int:
        """Voxels of the region in the prediction."""
        return self.true_positive + self.false_positive

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN); 1 if both are empty (Dice, Ecology 26, 1945)."""
        total = self.reference + self.prediction
        return 2 * self.true_positive / total if total else 1.0

    @property
    def sensitivity(self) -> float:
        """TP / (TP + FN); with an empty reference 1 if the prediction is empty too, else 0."""
        return self.true_positive / self.reference if self.reference else float(self.prediction == 0)

    @property
    def precision(self) -> float:
        """TP / (TP + FP); with an empty prediction 1 if the reference is empty too, else 0."""
        return self.true_positive / self.prediction if self.prediction else float(self.reference == 0)

    @property
    def specificity(self) -> float:
        """TN / (TN + FP); 1 where the reference fills the volume, as no negative can be missed."""
        negatives = self.true_negative + self.false_positive
        return self.true_negative / negatives if negatives else 1.0


@dataclass(frozen=True)
class Overlay:
    """Reference and prediction of a case laid over each other.

    Attributes:
        codes: uint8 (z, y, x) of a box that holds every labelled voxel. Bit i says that the voxel
            is in region i of the reference, bit i + 3 in region i of the prediction, regions in
            the order of `REGIONS`.
        counts: The voxel counts by region, of the whole volume.
    """

    codes: Volume
    counts: Mapping[str, Counts]


def overlay(reference: npt.NDArray[np.generic], prediction: npt.NDArray[np.generic]) -> Overlay:
    """Lay a prediction over its reference and count.

    Args:
        reference: Integer labels 0, 1, 2, 4 of shape (z, y, x), best as uint8.
        prediction: The same of the prediction, on the same grid.

    Raises:
        GeometryError: The shapes differ or are not those of a volume.
        LabelError: Another label occurs.
        MetricError: An array does not hold integers.
    """
    if reference.ndim != 3 or reference.shape != prediction.shape or reference.size == 0:
        raise GeometryError(
            f"reference {reference.shape} and prediction {prediction.shape} must be non-empty volumes of "
            "one shape (z, y, x); resample the prediction onto the reference's grid"
        )
    labels = _as_bytes(reference, "reference"), _as_bytes(prediction, "prediction")
    box = labelled_box(*labels)
    inside = [volume[box] for volume in labels]
    for volume, what in zip(inside, ("reference", "prediction"), strict=True):
        if volume.size and volume.max() > max(LABELS):
            _refuse(volume, what)
    joint: Volume = np.left_shift(inside[1], _PREDICTION_SHIFT, dtype=np.uint8)
    joint |= inside[0]
    # A box around scattered islands is nearly all background, which no table needs to look at.
    words = joint.reshape(-1).view(_word(joint.size))
    labelled = words != 0
    voxels = words[labelled].view(np.uint8)
    histogram = np.bincount(voxels, minlength=64)
    if histogram[_UNKNOWN].any():
        _refuse(inside[0], "reference")
        _refuse(inside[1], "prediction")
    words[labelled] = np.frombuffer(voxels.tobytes().translate(_REGION_BITS), words.dtype)
    return Overlay(joint, _counts(histogram, reference.size))


def count_regions(
    reference: npt.NDArray[np.generic], prediction: npt.NDArray[np.generic]
) -> Mapping[str, Counts]:
    """Return the voxel counts by region; see `overlay` for arguments and errors.

    Example:
        >>> volume = np.array([[[0, 1, 2, 4]]], np.uint8)
        >>> {region: counts.dice for region, counts in count_regions(volume, volume).items()}
        {'wt': 1.0, 'tc': 1.0, 'et': 1.0}
    """
    return overlay(reference, prediction).counts


def _as_bytes(labels: npt.NDArray[np.generic], what: str) -> Volume:
    if labels.dtype == np.uint8:
        return np.ascontiguousarray(labels, np.uint8)
    if labels.dtype.kind not in "iu":
        raise MetricError(f"{what}: labels have dtype {labels.dtype}; store them as integers (uint8)")
    # A cast alone would wrap 257 to 1 and count it as tumour.
    integers = labels.astype(np.int64)
    if integers.min() < 0 or integers.max() > max(LABELS):
        _refuse(integers, what)
    return integers.astype(np.uint8)


def _refuse(labels: npt.NDArray[np.integer], what: str) -> None:
    """Raise if there are labels that no region knows, naming the first few."""
    found = np.unique(labels)
    unknown = [int(label) for label in found if int(label) not in LABELS]
    if unknown:
        listed = ", ".join(map(str, unknown[:5])) + (" …" if len(unknown) > 5 else "")
        raise LabelError(f"{what}: label {listed} is not one of 0, 1, 2, 4; map the labels first")


def labelled_box(reference: Volume, prediction: Volume) -> tuple[slice, slice, slice]:
    """Return a box around every voxel that is labelled in either volume; up to 7 wider in x.

    Args:
        reference: uint8 (z, y, x), contiguous.
        prediction: The same, of one shape.
    """
    depth, height, width = reference.shape
    dtype = _word(width)
    # Plane by plane the words stay in the processor's cache, and no third volume is allocated.
    columns = np.zeros((height, width // dtype.itemsize), dtype)
    plane = np.empty_like(columns)
    labelled = np.zeros(depth, np.bool_)
    for z, (first, second) in enumerate(zip(reference.view(dtype), prediction.view(dtype), strict=True)):
        np.bitwise_or(first, second, out=plane)
        if plane.any():
            labelled[z] = True
            columns |= plane
    z_slice = _extent(labelled)
    y_slice = _extent(np.logical_or.reduce(columns, axis=1))
    words = _extent(np.logical_or.reduce(columns, axis=0))
    return z_slice, y_slice, slice(words.start * dtype.itemsize, words.stop * dtype.itemsize)


def _extent(occupied: npt.NDArray[np.bool_]) -> slice:
    places = np.flatnonzero(occupied)
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, 0)


def _word(size: int) -> np.dtype[np.unsignedinteger]:
    """Return the widest integer of which a whole number fits into so many bytes."""
    return np.dtype(f"u{math.gcd(size, 8)}")


def _counts(histogram: npt.NDArray[np.intp], volume: int) -> dict[str, Counts]:
    joint = np.arange(64)
    counts = {}
    for region, labels in REGIONS.items():
        in_reference = np.isin(joint & 7, labels)
        in_prediction = np.isin(joint >> _PREDICTION_SHIFT, labels)
        both = int(histogram[in_reference & in_prediction].sum())
        extra = int(histogram[in_prediction & ~in_reference].sum())
        missed = int(histogram[in_reference & ~in_prediction].sum())
        counts[region] = Counts(both, extra, missed, volume - both - extra - missed)
    return counts


def _region_bits() -> bytes:
    """Return the table from joint labels (reference + 8 x prediction) to region bits."""
    bits = [sum((label in labels) << i for i, labels in enumerate(REGIONS.values())) for label in range(8)]
    table = [bits[joint & 7] | bits[joint >> _PREDICTION_SHIFT] << _PREDICTION_SHIFT for joint in range(64)]
    return bytes(table) + bytes(256 - len(table))


_REGION_BITS = _region_bits()
_UNKNOWN = np.array([not {joint & 7, joint >> _PREDICTION_SHIFT} <= set(LABELS) for joint in range(64)])
