"""Synthetic nested tumours on the BraTS grid, with predictions from good to very bad."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.uint8]
Point = tuple[float, float, float]

SHAPE: Final = (155, 240, 240)
SPACING: Final = (1.0, 1.0, 1.0)

_CENTRE: Final[Point] = (75, 110, 140)
_BRAIN_CENTRE: Final[Point] = (78, 120, 120)
_BRAIN_RADII: Final[Point] = (62, 85, 68)
_CORE, _ENHANCING = 0.68, 0.5  # radii of the inner regions as shares of the tumour's
_SPECKLE: Final = 0.02


@dataclass(frozen=True)
class Blob:
    """A nested tumour.

    Attributes:
        centre: In voxels, (z, y, x).
        radius: Mean radius of the whole tumour, in voxels.
        roughness: Size of the bumps of its surface, as a share of the radius.
    """

    centre: Point
    radius: float
    roughness: float = 0.12


@dataclass(frozen=True)
class Pair:
    """Reference and prediction of a case, uint8 (z, y, x) with labels 0, 1, 2, 4."""

    reference: Labels
    prediction: Labels


def tumours(blobs: Sequence[Blob], seed: int) -> Labels:
    """Draw nested tumours: oedema (2) around enhancing tumour (4) around necrosis (1)."""
    labels = np.zeros(SHAPE, np.uint8)
    for number, blob in enumerate(blobs):
        _draw(labels, blob, np.random.default_rng((seed, number)))
    return labels


def _draw(labels: Labels, blob: Blob, rng: np.random.Generator) -> None:
    reach = int(blob.radius * (1 + 4 * blob.roughness)) + 2
    box = tuple(
        slice(max(0, int(middle) - reach), min(size, int(middle) + reach + 1))
        for middle, size in zip(blob.centre, SHAPE, strict=True)
    )
    z, y, x = (
        np.arange(part.start, part.stop, dtype=np.float32) - middle
        for part, middle in zip(box, blob.centre, strict=True)
    )
    # A few plane waves make a smooth surface that is no ball, cheaply and without a filter.
    bumps = np.zeros([part.stop - part.start for part in box], np.float32)
    for _ in range(12):
        waves = rng.normal(0, 2.2 / blob.radius, 3)
        phase = rng.uniform(0, 2 * np.pi)
        bumps += np.cos(
            waves[0] * z[:, None, None] + waves[1] * y[None, :, None] + waves[2] * x[None, None, :] + phase
        )
    bumps *= blob.roughness * blob.radius / np.sqrt(6)
    distance = np.sqrt(z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2) + bumps
    inside = labels[box]
    inside[distance < blob.radius] = 2
    inside[distance < blob.radius * _CORE] = 4
    inside[distance < blob.radius * _ENHANCING] = 1


def _typical(radius: float) -> Pair:
    truth = Blob(_CENTRE, radius)
    guess = Blob((_CENTRE[0] + 0.8, _CENTRE[1] - 0.6, _CENTRE[2] + 0.7), radius * 1.01)
    return Pair(tumours([truth], 1), _ragged(tumours([guess], 1)))


def _ragged(labels: Labels) -> Labels:
    """Return labels whose surface is moved by a voxel here and there, as a network's is."""
    rng = np.random.default_rng(5)
    moved = labels.copy()
    for axis in range(3):
        patches = rng.random(tuple(-(-size // 6) for size in SHAPE)) < 0.3
        where = np.kron(patches, np.ones((6, 6, 6), np.bool_))[tuple(slice(0, size) for size in SHAPE)]
        moved = np.where(where, np.roll(moved, 1, axis=axis), moved)
    return moved


def _multifocal() -> Pair:
    rng = np.random.default_rng(7)
    spread = [
        Blob(tuple(rng.uniform((40, 60, 70), (115, 180, 170))), radius)
        for radius in (16.0, 14.0, 12.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0)
    ]
    # One lesion is overlooked, the others are a little off.
    found = [
        Blob(
            (b.centre[0] + rng.normal(0, 0.7), b.centre[1] + rng.normal(0, 0.7), b.centre[2]), b.radius * 0.98
        )
        for b in spread[:-1]
    ]
    return Pair(tumours(spread, 2), _ragged(tumours(found, 2)))


def _far_fp() -> Pair:
    typical = _typical(25.6)
    rng = np.random.default_rng(11)
    prediction = typical.prediction.copy()
    for _ in range(8):
        islands = Blob(tuple(rng.uniform((20, 40, 40), (60, 200, 70))), rng.uniform(3, 7))
        _draw(prediction, islands, rng)
    return Pair(typical.reference, prediction)


def _bad() -> Pair:
    grid = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    inside = sum(
        ((axis - middle) / radius) ** 2
        for axis, middle, radius in zip(grid, _BRAIN_CENTRE, _BRAIN_RADII, strict=True)
    )
    rng = np.random.default_rng(13)
    called = np.where(inside < 1, np.uint8(4), np.uint8(0))  # in all three regions
    called[rng.random(SHAPE) < _SPECKLE] = 0
    return Pair(tumours([Blob(_CENTRE, 25.6)], 1), called)


CASES: Final[Mapping[str, Callable[[], Pair]]] = {
    "medium": lambda: _typical(25.6),
    "large": lambda: _typical(39.3),
    "multifocal": _multifocal,
    "far-fp": _far_fp,
    "bad": _bad,
}
"""Builders of the cases by name: about 74 000 and 263 000 voxels of whole tumour; scattered lesions of
which one is overlooked; islands far away; the whole brain called tumour, with holes in 2 % of it."""
