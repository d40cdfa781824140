"""Scores of single lesions, in the manner of BraTS 2023: what a mean over the whole tumour hides.

A lesion is what hangs together in the reference once it is dilated: fragments that lie close are one.
Predicted components that touch its dilation belong to it, all together; the rest are false lesions.
A case's lesion-wise Dice is sum(Dice of its lesions) / (lesions + false lesions), HD95 likewise with the
penalty for each lesion that is missed or false. Lesions up to a least size count for neither.

Paper: Saluja et al., BraTS 2023 lesion-wise performance metrics, github.com/rachitsaluja/BraTS-2023-Metrics.
Unlike there, HD95 is the project's own definition and not weighted by surface area.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tasks.segmentation.metrics.counts import labelled_box, overlay
from tasks.segmentation.metrics.errors import MetricError
from tasks.segmentation.metrics.penalty import penalty_distance
from tasks.segmentation.metrics.surface import Definition, checked_spacing, hausdorff_95
from tasks.segmentation.regions import REGIONS

Mask = npt.NDArray[np.bool_]
Components = npt.NDArray[np.int32]
Box = tuple[slice, slice, slice]
Kind = Literal["found", "missed", "small"]


@dataclass(frozen=True)
class LesionRules:
    """What a lesion is.

    Attributes:
        dilations: Steps to the 18 nearest neighbours by which the reference is dilated, in voxels.
        least_mm3: A reference lesion of at most so much does not count.
    """

    dilations: int = 3
    least_mm3: float = 50.0

    def __post_init__(self) -> None:
        if self.dilations < 0 or not self.least_mm3 >= 0:
            raise MetricError(f"{self}: neither dilations nor least_mm3 may be below 0")


@dataclass(frozen=True)
class Lesion:
    """One lesion of the reference.

    Attributes:
        kind: ``found``, ``missed`` or, where it does not count, ``small``.
        volume_mm3: Its volume.
        components: How many predicted components belong to it.
        dice: Of the lesion and those components; 0 where there are none.
        hd95: In mm; the penalty where there are none.
    """

    kind: Kind
    volume_mm3: float
    components: int
    dice: float
    hd95: float


@dataclass(frozen=True)
class RegionLesions:
    """The lesions of one region of a case.

    Attributes:
        lesions: Those of the reference, in the order of their first voxel.
        false: Predicted components that belong to none of them.
        false_mm3: Their volume together.
        penalty: HD95 of a missed or a false lesion, in mm.
    """

    lesions: tuple[Lesion, ...]
    false: int
    false_mm3: float
    penalty: float

    def count(self, kind: Kind) -> int:
        """Return how many lesions are of this kind."""
        return sum(lesion.kind == kind for lesion in self.lesions)

    @property
    def dice(self) -> float:
        """Lesion-wise Dice; 1 where there is neither a lesion that counts nor a false one."""
        return self._mean([lesion.dice for lesion in self._counted], 0.0, empty=1.0)

    @property
    def hd95(self) -> float:
        """Lesion-wise HD95 in mm; 0 where there is neither a lesion that counts nor a false one."""
        return self._mean([lesion.hd95 for lesion in self._counted], self.penalty, empty=0.0)

    @property
    def _counted(self) -> list[Lesion]:
        return [lesion for lesion in self.lesions if lesion.kind != "small"]

    def _mean(self, values: Sequence[float], of_false: float, empty: float) -> float:
        number = len(values) + self.false
        return (sum(values) + self.false * of_false) / number if number else empty


def lesions_of_case(
    reference: npt.NDArray[np.generic],
    prediction: npt.NDArray[np.generic],
    spacing: Sequence[float],
    *,
    rules: LesionRules | None = None,
    definition: Definition = "pooled",
) -> Mapping[str, RegionLesions]:
    """Compare a case lesion by lesion.

    Args:
        reference: Labels 0, 1, 2, 4 of shape (z, y, x) on the full grid.
        prediction: The prediction's labels, on the same grid.
        spacing: Voxel size in mm, (z, y, x).
        rules: What a lesion is; those of BraTS 2023 for gliomas unless given.
        definition: Of a lesion's HD95, see `score_case`.

    Returns:
        The lesions by region.

    Raises:
        MetricError: As `score_case`.

    Example:
        >>> reference = np.zeros((40, 16, 16), np.uint8)
        >>> reference[2:8, 4:10, 4:10] = reference[28:34, 4:10, 4:10] = 2
        >>> prediction = reference.copy()
        >>> prediction[20:] = 0
        >>> whole = lesions_of_case(reference, prediction, (1, 1, 1))["wt"]
        >>> [lesion.kind for lesion in whole.lesions], whole.dice, whole.hd95
        (['found', 'missed'], 0.5, 187.0)
    """
    rules = LesionRules() if rules is None else rules
    steps = checked_spacing(spacing)
    overlay(reference, prediction)  # refuses what cannot be scored
    penalty = penalty_distance(reference.shape, steps)
    box = _box(reference, prediction, rules.dilations)
    truth, guess = reference[box], prediction[box]
    return {
        region: _compare(np.isin(truth, labels), np.isin(guess, labels), steps, rules, definition, penalty)
        for region, labels in REGIONS.items()
    }


def _box(
    reference: npt.NDArray[np.generic], prediction: npt.NDArray[np.generic], margin: int
) -> tuple[slice, ...]:
    """Return a box around all labels with room for the dilation, which ends where the volume does."""
    first, second = (np.ascontiguousarray(volume, np.uint8) for volume in (reference, prediction))
    found = labelled_box(first, second)
    return tuple(
        slice(max(0, part.start - margin), min(size, part.stop + margin))
        for part, size in zip(found, reference.shape, strict=True)
    )


def _compare(
    reference: Mask,
    prediction: Mask,
    spacing: tuple[float, float, float],
    rules: LesionRules,
    definition: Definition,
    penalty: float,
) -> RegionLesions:
    from scipy import ndimage  # a quarter of a second that `challenge --help` need not pay

    voxel = spacing[0] * spacing[1] * spacing[2]
    components, number = _label(prediction)
    sizes = np.bincount(components.ravel(), minlength=number + 1)
    places = ndimage.find_objects(components)
    lesions, taken = [], np.zeros(number + 1, np.bool_)
    for box, own in _lesions(reference, rules.dilations):
        touched = np.unique(components[box][_dilated(own, rules.dilations)])
        touched = touched[touched > 0]
        taken[touched] = True
        volume = float(np.count_nonzero(own)) * voxel
        small = volume <= rules.least_mm3
        if not len(touched):
            lesions.append(Lesion("small" if small else "missed", volume, 0, 0.0, penalty))
            continue
        around = _hull([box, *(places[number - 1] for number in touched)])
        mine, theirs = _moved(own, box, around), np.isin(components[around], touched)
        both = int(np.count_nonzero(mine & theirs))
        dice = 2 * both / (int(np.count_nonzero(own)) + int(sizes[touched].sum()))
        distance = hausdorff_95(mine, theirs, spacing, definition=definition)
        lesions.append(Lesion("small" if small else "found", volume, len(touched), dice, distance))
    false = ~taken
    false[0] = False
    return RegionLesions(
        tuple(lesions), int(np.count_nonzero(false)), float(sizes[false].sum()) * voxel, penalty
    )


def _lesions(reference: Mask, dilations: int) -> Iterable[tuple[Box, Mask]]:
    """Yield the lesions: a box with room for the dilation, and the lesion's own voxels in it."""
    from scipy import ndimage

    groups, _ = _label(_dilated(reference, dilations))
    for number, box in enumerate(ndimage.find_objects(groups), start=1):
        yield box, (groups[box] == number) & reference[box]


def _label(mask: Mask) -> tuple[Components, int]:
    """Number the components of 26-connected voxels, from 1."""
    from scipy import ndimage

    found: tuple[Any, int] = ndimage.label(mask, ndimage.generate_binary_structure(3, 3), output=np.int32)
    return found


def _dilated(mask: Mask, steps: int) -> Mask:
    from scipy import ndimage

    if not steps:
        return mask
    grown: Mask = ndimage.binary_dilation(mask, ndimage.generate_binary_structure(3, 2), iterations=steps)
    return grown


def _hull(boxes: Sequence[Box]) -> Box:
    z, y, x = (
        slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes))
        for axis in range(3)
    )
    return z, y, x


def _moved(mask: Mask, box: Box, around: Box) -> Mask:
    """Return the mask of `box` in a larger box."""
    whole = np.zeros([part.stop - part.start for part in around], np.bool_)
    start = [part.start for part in around]
    whole[tuple(slice(p.start - s, p.stop - s) for p, s in zip(box, start, strict=True))] = mask
    return whole
