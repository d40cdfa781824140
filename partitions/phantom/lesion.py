"""A glioma per case: core, enhancing rim and oedema of irregular shape, nested as in patients.

Volumes are drawn first and met by ranking voxels, so that a lesion's size never depends on where
it sits. The limits lie within the range of untreated gliomas; docs/phantom.md names the sources.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partitions.phantom.anatomy import Brain, Mask, Point
from partitions.phantom.federation import TumourSizes
from partitions.phantom.fields import Field, smooth_field
from partitions.phantom.grid import Grid

NECROSIS, OEDEMA, ENHANCING = 1, 2, 4

CORE_LIMITS_ML = (9.0, 80.0)
WHOLE_LIMITS_ML = (20.0, 190.0)
RATIO_LIMITS = (1.6, 4.5)
RIM_LIMITS_MM = (4.0, 14.0)
NECROSIS_SHARE = (0.12, 0.55)
"""Share of the core's volume that is necrotic; the rest enhances."""


@dataclass(frozen=True)
class LesionPlan:
    """What is drawn of a lesion before its shape.

    Attributes:
        core_ml: Volume of the tumour core (TC) in ml.
        whole_ml: Volume of the whole tumour (WT) in ml.
        rim_mm: Thickness of the enhancing rim in mm.
    """

    core_ml: float
    whole_ml: float
    rim_mm: float

    @property
    def radius_mm(self) -> float:
        """Radius of a ball with the core's volume."""
        return float((self.core_ml * 1000.0 * 3.0 / (4.0 * np.pi)) ** (1.0 / 3.0))


def draw_plan(rng: np.random.Generator, sizes: TumourSizes) -> LesionPlan:
    """Draw a lesion's volumes and rim from an institution's distribution, within the limits."""
    core = float(np.clip(sizes.core_ml * np.exp(rng.normal(0.0, sizes.spread)), *CORE_LIMITS_ML))
    ratio = float(np.clip(sizes.whole_to_core * np.exp(rng.normal(0.0, 0.2)), *RATIO_LIMITS))
    rim = float(np.clip(sizes.rim_mm * np.exp(rng.normal(0.0, 0.12)), *RIM_LIMITS_MM))
    return LesionPlan(core, float(np.clip(core * ratio, *WHOLE_LIMITS_ML)), rim)


def grow(
    rng: np.random.Generator, grid: Grid, brain: Brain, plan: LesionPlan, centre: Point
) -> NDArray[np.uint8]:
    """Return the labels of one lesion.

    Args:
        rng: Draws the lesion's shape.
        grid: The case's grid.
        brain: The healthy anatomy; no label lies outside it.
        plan: Volumes and rim.
        centre: Where it grows, mm, (z, y, x).

    Returns:
        uint8 labels 0, 1, 2, 4 of shape (z, y, x).
    """
    core = _grow_core(rng, grid, brain, plan, centre)
    whole = _grow_oedema(rng, grid, brain, plan, core)
    depth = _depth(core, grid.spacing)
    # In proportion to the depth, so that the rim varies and yet stays closed.
    depth *= np.exp(np.clip(0.22 * smooth_field(rng, grid, 14.0), -0.45, 0.45))
    inside = np.sort(depth[core])[::-1]
    most, least = (inside[int(share * (inside.size - 1))] for share in reversed(NECROSIS_SHARE))
    necrosis = core & (depth > np.clip(plan.rim_mm, most, least))

    labels = np.zeros(grid.shape, dtype=np.uint8)
    labels[whole] = OEDEMA
    labels[core] = ENHANCING
    labels[necrosis] = NECROSIS
    return labels


def _grow_core(rng: np.random.Generator, grid: Grid, brain: Brain, plan: LesionPlan, centre: Point) -> Mask:
    """Return the tumour core: the voxels nearest to the centre in a stretched and ragged metric."""
    z, y, x = (axis - np.float32(part) for axis, part in zip(grid.axes(), centre, strict=True))
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    stretch = np.exp(rng.normal(0.0, 0.16, 3))
    metric = (turn @ np.diag(stretch / np.prod(stretch) ** (1 / 3))).astype(np.float32)
    squared = sum((row[0] * z + row[1] * y + row[2] * x) ** 2 for row in metric.T)
    ragged = 0.22 * smooth_field(rng, grid, 24.0) + 0.10 * smooth_field(rng, grid, 12.0)
    reach = np.sqrt(squared) * np.exp(np.clip(ragged, -0.6, 0.6))
    return _nearest(reach, brain.mask, plan.core_ml / grid.voxel_ml)


def _grow_oedema(rng: np.random.Generator, grid: Grid, brain: Brain, plan: LesionPlan, core: Mask) -> Mask:
    """Return the whole tumour: oedema spreads from the core, far in white matter, little in grey."""
    from scipy import ndimage

    distance = ndimage.distance_transform_edt(~core, sampling=grid.spacing).astype(np.float32)
    resistance = 0.55 + 1.1 * brain.grey + 2.5 * brain.fluid - 0.2 * brain.white
    reach = distance * resistance * np.exp(0.45 * smooth_field(rng, grid, 20.0))
    return core | _nearest(reach, brain.mask, plan.whole_ml / grid.voxel_ml)


def _nearest(reach: Field, mask: Mask, count: float) -> Mask:
    """Return the `count` voxels of the mask with the least reach, as far as they hang together."""
    from scipy import ndimage

    values = reach[mask]
    kept = min(max(1, round(count)), values.size) - 1
    region: Mask = mask & (reach <= np.partition(values, kept)[kept])
    parts, found = ndimage.label(region)
    if found > 1:
        region = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    box = ndimage.find_objects(region.astype(np.uint8))[0]
    region[box] |= ndimage.binary_fill_holes(region[box]) & mask[box]
    return region


def _depth(core: Mask, spacing_mm: float) -> Field:
    """Return each core voxel's distance in mm from what is not core, 0 elsewhere."""
    from scipy import ndimage

    padded = np.pad(core, 1)
    box = ndimage.find_objects(padded.astype(np.uint8))[0]
    wider = tuple(slice(cut.start - 1, cut.stop + 1) for cut in box)
    depth = np.zeros(padded.shape, dtype=np.float32)
    depth[wider] = ndimage.distance_transform_edt(padded[wider], sampling=spacing_mm)
    return depth[1:-1, 1:-1, 1:-1]
