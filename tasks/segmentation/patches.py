"""Which patches a site trains on, planned apart from cutting them.

Plans are small and follow from a seed alone; cutting is pure indexing. So the order of sites, workers or
files never changes what is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.segmentation.regions import LABELS, to_regions

TUMOUR_LABELS = LABELS[1:]
Corner = tuple[int, int, int]


@dataclass(frozen=True)
class CaseOutline:
    """What planning needs of a case.

    Attributes:
        shape: Size of the cropped image, voxels (z, y, x).
        voxels: For each of the tumour labels 1, 2, 4 the flat indices, in the cropped image, of its voxels.
    """

    shape: Corner
    voxels: tuple[npt.NDArray[np.intp], ...]


@dataclass(frozen=True)
class PatchPlan:
    """One training patch.

    Attributes:
        case: Index of the case among the site's training cases.
        start: Corner of the patch in the cropped image; may lie outside it (the rest is background).
        flips: Which of the axes z, y, x are mirrored.
        gain: Factor for each modality, around 1.
        shift: Offset for each modality, around 0.
    """

    case: int
    start: Corner
    flips: tuple[bool, bool, bool]
    gain: tuple[float, ...]
    shift: tuple[float, ...]


def outline(labels: npt.NDArray[np.uint8]) -> CaseOutline:
    """Return the outline of a case from its labels on the cropped grid (z, y, x)."""
    z, y, x = labels.shape
    flat = labels.reshape(-1)
    return CaseOutline((z, y, x), tuple(np.flatnonzero(flat == label) for label in TUMOUR_LABELS))


def plan_patches(
    cases: Sequence[CaseOutline],
    count: int,
    *,
    patch: Corner,
    tumour_fraction: float,
    flips: tuple[bool, bool, bool],
    gain: float,
    shift: float,
    modalities: int,
    rng: np.random.Generator,
) -> list[PatchPlan]:
    """Plan `count` patches: cases in shuffled turns, each patch around a tumour voxel or anywhere.

    With probability `tumour_fraction` the centre is a voxel of a tumour label, the label drawn evenly among
    those of the case, so that a small core or rim is seen as often as a large oedema.

    Args:
        cases: The site's training cases.
        count: How many patches.
        patch: Size in voxels (z, y, x).
        tumour_fraction: Fraction of patches that are centred on tumour, 0 to 1.
        flips: Which of the axes z, y, x to mirror, each with probability one half.
        gain: Half width of the uniform distribution of each modality's factor around 1.
        shift: Half width of the uniform distribution of each modality's offset around 0.
        modalities: How many modalities an image has.
        rng: The generator of this site and round.

    Raises:
        ValueError: There are no cases.
    """
    if not cases:
        raise ValueError("there are no training cases to take patches from")
    turns = -(-count // len(cases))
    order = np.concatenate([rng.permutation(len(cases)) for _ in range(turns)])[:count]
    plans: list[PatchPlan] = []
    for index in order.tolist():
        mirrored = (rng.random(3) < 0.5) & np.array(flips)
        plans.append(
            PatchPlan(
                case=index,
                start=_start(cases[index], patch, tumour_fraction, rng),
                flips=(bool(mirrored[0]), bool(mirrored[1]), bool(mirrored[2])),
                gain=tuple((1 + gain * rng.uniform(-1, 1, modalities)).tolist()),
                shift=tuple((shift * rng.uniform(-1, 1, modalities)).tolist()),
            )
        )
    return plans


def cut(
    image: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8], plan: PatchPlan, patch: Corner
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Cut the planned patch; what lies outside the image is background.

    Args:
        image: (modalities, z, y, x).
        labels: (z, y, x).
        plan: Where, and how it is mirrored and scaled.
        patch: Size in voxels (z, y, x).

    Returns:
        The image patch (modalities, *patch) and the region masks (regions, *patch), both float32, contiguous.
    """
    pixels = _window(image, plan.start, patch)
    # Only the brain is scaled: outside it the value 0 means "nothing", in every site's images.
    brain = np.any(pixels != 0, axis=0)
    gain = np.asarray(plan.gain, np.float32)[:, None, None, None]
    shift = np.asarray(plan.shift, np.float32)[:, None, None, None]
    pixels = (pixels * gain + shift) * brain
    axes = tuple(axis + 1 for axis, mirrored in enumerate(plan.flips) if mirrored)
    targets = to_regions(_window(labels[None], plan.start, patch)[0])
    return (
        np.ascontiguousarray(np.flip(pixels, axes), np.float32),
        np.ascontiguousarray(np.flip(targets, axes), np.float32),
    )


def _start(case: CaseOutline, patch: Corner, tumour_fraction: float, rng: np.random.Generator) -> Corner:
    present = [voxels for voxels in case.voxels if voxels.size]
    # Drawn whether used or not: the number of draws stays the same for every case.
    on_tumour, where = rng.random() < tumour_fraction, rng.random(3)
    if on_tumour and present:
        voxels = present[int(where[0] * len(present))]
        centre = np.unravel_index(voxels[int(where[1] * voxels.size)], case.shape)
        jitter = rng.integers(-2, 3, 3)
        wanted = [int(c) + int(j) - p // 2 for c, j, p in zip(centre, jitter, patch, strict=True)]
    else:
        wanted = [int(w * (max(s - p, 0) + 1)) for w, s, p in zip(where, case.shape, patch, strict=True)]
    corner = [_inside(start, size, edge) for start, size, edge in zip(wanted, case.shape, patch, strict=True)]
    return (corner[0], corner[1], corner[2])


def _inside(start: int, size: int, edge: int) -> int:
    """Move a patch into the image; if the image is smaller, centre the image in the patch."""
    if size <= edge:
        return -((edge - size) // 2)
    return min(max(start, 0), size - edge)


def _window(volume: npt.NDArray[Any], start: Corner, patch: Corner) -> npt.NDArray[Any]:
    inner = tuple(
        slice(max(s, 0), min(s + p, size)) for s, p, size in zip(start, patch, volume.shape[1:], strict=True)
    )
    content = volume[(slice(None), *inner)]
    if content.shape[1:] == patch:
        return content
    window = np.zeros((volume.shape[0], *patch), volume.dtype)
    place = tuple(slice(i.start - s, i.stop - s) for i, s in zip(inner, start, strict=True))
    window[(slice(None), *place)] = content
    return window
