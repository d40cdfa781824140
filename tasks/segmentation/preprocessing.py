"""From a case as it lies on disk to what the network sees: cropped to the brain and normalised."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from partitions.cache import Prepared
from partitions.case import MODALITIES
from partitions.errors import DataError
from partitions.reader import CaseVolumes

TRANSFORM_ID = "crop-and-normalise/3"
"""Names this transform in the cache's keys; another number when its result changes."""

DEGREE = 3
TERMS = tuple(
    (i, j, k) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i) for k in range(DEGREE + 1 - i - j)
)
RIDGE = 1e-9
FITS = 2
OUTLIER = 1.5
FLOOR = 0.02
FIT_VOXELS = 8_000
"""Of larger images every n-th voxel is fitted: a polynomial of 20 terms needs no more."""


def crop_and_normalise(volumes: CaseVolumes) -> Prepared:
    """Crop a case to its brain, even out each modality's bias field and give it mean 0 and deviation 1.

    Args:
        volumes: A case with all four modalities on one grid.

    Returns:
        ``image`` float32 (4, z, y, x) in the order of `partitions.case.MODALITIES`; ``offset`` of the crop.

    Raises:
        DataError: The images are empty.
    """
    stack = np.stack([volumes.images[name] for name in MODALITIES]).astype(np.float32, copy=False)
    inside = brain(stack)
    if not inside.any():
        raise DataError("no voxel differs from 0 in any modality; the case has no brain to crop to")
    box = bounding_box(inside)
    offset = (int(box[0].start), int(box[1].start), int(box[2].start))
    stack, inside = stack[(slice(None), *box)], inside[box]
    return Prepared(image=normalise(even_out(stack, inside), inside), offset=offset)


def brain(stack: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Return the mask (z, y, x) of the brain: where any modality of (4, z, y, x) is not 0."""
    return np.asarray(np.any(stack != 0, axis=0))


def bounding_box(mask: npt.NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Return the smallest box that holds every true voxel of a mask (z, y, x) that has one.

    Example:
        >>> mask = np.zeros((4, 4, 4), bool); mask[1, 2, 0] = mask[2, 2, 3] = True
        >>> bounding_box(mask)
        (slice(1, 3, None), slice(2, 3, None), slice(0, 4, None))
    """
    sides = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        sides.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return sides[0], sides[1], sides[2]


def even_out(stack: npt.NDArray[np.float32], inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Divide every modality by its bias field: a cubic polynomial, fitted to the logarithm in the brain.

    The scanner's coil makes one side of a head brighter than the other, often by more than tissues differ;
    it varies slowly and multiplies, so a low polynomial of the logarithm follows it and a lesion hardly
    bends it. Outliers (fluid, lesion, vessels) are left out of the second of two fits. This is the classical
    surface fit (Dawant et al. 1993), cheaper than N4 by orders of magnitude and without a random choice.

    Args:
        stack: (4, z, y, x).
        inside: The brain, (z, y, x).

    Returns:
        The evened images; a modality with values below 0 is no raw intensity and stays as it is.
    """
    axes = [np.linspace(-1, 1, size) for size in inside.shape]
    places = np.flatnonzero(inside)
    places = places[:: max(1, len(places) // FIT_VOXELS)]
    z, y, x = (axis[index] for axis, index in zip(axes, np.unravel_index(places, inside.shape), strict=True))
    sample = np.stack([z**i * y**j * x**k for i, j, k in TERMS], axis=1)
    result = stack.copy()
    for image in result:
        values = image[inside].astype(np.float64)
        if values.min() >= 0 and values.max() > 0:
            floor = FLOOR * np.median(values[values > 0])
            weights = _fit(sample, np.log(np.maximum(image.reshape(-1)[places], floor)))
            cube = np.zeros((DEGREE + 1,) * 3)
            cube[tuple(np.array(TERMS[1:]).T)] = weights[1:]
            field = np.polynomial.polynomial.polygrid3d(axes[0], axes[1], axes[2], cube)
            image[inside] = values * np.exp(-field[inside])
    return result


def _fit(sample: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the coefficients of a least-squares fit, the second time without outliers.

    The normal equations are summed without BLAS, whose last bits depend on its number of threads.
    """
    kept = np.ones(len(target), bool)
    weights: npt.NDArray[np.float64] = np.zeros(sample.shape[1])
    for _ in range(FITS):
        chosen = sample[kept]
        square = np.einsum("vi,vj->ij", chosen, chosen) + RIDGE * len(chosen) * np.eye(sample.shape[1])
        weights = np.linalg.solve(square, np.einsum("vi,v->i", chosen, target[kept]))
        residual = target - np.einsum("vi,i->v", sample, weights)
        kept = np.abs(residual - np.median(residual)) <= OUTLIER * residual[kept].std()
    return weights


def normalise(stack: npt.NDArray[np.float32], inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return z-scores of each modality over the brain; 0 outside it.

    A modality that is constant inside the brain becomes 0: it carries no information.

    Args:
        stack: (4, z, y, x).
        inside: The brain, (z, y, x).
    """
    result: npt.NDArray[np.float32] = np.zeros(stack.shape, np.float32)
    for channel, image in enumerate(stack):
        values: npt.NDArray[Any] = image[inside].astype(np.float64)
        spread = float(values.std())
        if spread > 0:
            result[channel][inside] = (values - values.mean()) / spread
    return result
