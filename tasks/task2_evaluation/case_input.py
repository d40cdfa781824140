"""What a model is shown of a case: the images and where they lie; never labels, never a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from partitions.reader import CaseVolumes, Geometry

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class CaseInput:
    """A case as a package's ``predict`` gets it.

    Attributes:
        name: ``case-0001`` and so on: the order of the evaluation, not the patient's id.
        images: float32 (z, y, x) by modality ``t1, t1ce, t2, flair``, read-only.
        spacing: Voxel size in mm, (z, y, x).
        origin: SimpleITK's origin in mm, in its own (x, y, z).
        direction: SimpleITK's nine direction cosines.
    """

    name: str
    images: Mapping[str, npt.NDArray[np.float32]]
    spacing: tuple[float, float, float]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels in (z, y, x); a prediction has as many."""
        depth, height, width = next(iter(self.images.values())).shape
        return depth, height, width

    @property
    def geometry(self) -> Geometry:
        """Where the case lies in space."""
        return Geometry(self.shape, self.spacing, self.origin, self.direction)

    def volumes(self) -> CaseVolumes:
        """Return the case as the harness's own preprocessing takes it."""
        images: dict[str, Any] = dict(self.images)
        return CaseVolumes(images, None, self.spacing, self.origin, self.direction)


def case_input(volumes: CaseVolumes, number: int) -> CaseInput:
    """Return what a model is shown of a case.

    Args:
        volumes: The case as it was read, labels and all.
        number: Its place in the evaluation, from 1.
    """
    return CaseInput(f"case-{number:04d}", volumes.images, volumes.spacing, volumes.origin, volumes.direction)
