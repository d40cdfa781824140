"""From a case's images to a network's input, and from its output back to labels on the case's grid.

Both lanes that hand in a network share this: the harness's own preprocessing, and a resampling to the
spacing that the network was made for where the case has another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from partitions.case import MODALITIES
from partitions.errors import DataError
from tasks.segmentation.preprocessing import crop_and_normalise
from tasks.segmentation.regions import REGIONS, to_labels
from tasks.task2_evaluation.case_input import CaseInput, Labels
from tasks.task2_evaluation.manifest import Manifest

Logits = Callable[[Tensor], Tensor]
"""From (channels, z, y, x), normalised, to (output channels, z, y, x)."""

_SAME_SPACING_MM = 1e-3
_MOST_VOXELS = 2**28


def predict_volume(case: CaseInput, manifest: Manifest, network: Logits) -> Labels:
    """Return a case's labels by a network that sees the cropped and normalised images.

    Args:
        case: The case.
        manifest: Its modalities, spacing and output channels.
        network: The network over a whole volume, window by window.

    Raises:
        DataError: The images are empty, or would be too large at the model's spacing.
        ValueError: The network's output has another shape than its input or its manifest says.
    """
    prepared = crop_and_normalise(case.volumes())
    order = [MODALITIES.index(name) for name in manifest.modalities]
    image = torch.from_numpy(np.ascontiguousarray(prepared.image[order]))
    size = tuple(int(edge) for edge in image.shape[1:])
    wanted = size if manifest.spacing is None else resampled_size(size, case.spacing, manifest.spacing)
    if int(np.prod(wanted)) > _MOST_VOXELS:
        raise DataError(f"at the spacing of the model the case has {wanted} voxels, more than {_MOST_VOXELS}")
    logits = network(resampled(image, wanted))
    expected = (manifest.channels, *wanted)
    if tuple(logits.shape) != expected:
        raise ValueError(f"the model gave {tuple(logits.shape)}, expected are {expected}")
    labels = labels_of(resampled(logits.float(), size), manifest)
    whole: Labels = np.zeros(case.shape, np.uint8)
    box = tuple(slice(o, o + n) for o, n in zip(prepared.offset, size, strict=True))
    whole[box] = labels
    return whole


def resampled_size(size: Sequence[int], spacing: Sequence[float], wanted: Sequence[float]) -> tuple[int, ...]:
    """Return how many voxels a volume has at another spacing.

    Example:
        >>> resampled_size((10, 20, 20), (3.0, 1.0, 1.0), (1.0, 1.0, 2.0))
        (30, 20, 10)
    """
    return tuple(
        edge if abs(here - there) < _SAME_SPACING_MM else max(1, round(edge * here / there))
        for edge, here, there in zip(size, spacing, wanted, strict=True)
    )


def resampled(volume: Tensor, size: Sequence[int]) -> Tensor:
    """Return (channels, z, y, x) at another size, by trilinear interpolation between voxel centres."""
    if tuple(volume.shape[1:]) == tuple(size):
        return volume
    return functional.interpolate(volume[None], size=tuple(size), mode="trilinear", align_corners=False)[0]


def labels_of(logits: Tensor, manifest: Manifest) -> Labels:
    """Return labels from output channels: regions above a logit of 0, or the label with the largest."""
    if manifest.regions is not None:
        order = [manifest.regions.index(name) for name in REGIONS]
        return to_labels((logits[order] > 0).numpy())
    assert manifest.labels is not None
    table = np.array(manifest.labels, np.uint8)
    chosen: Labels = table[logits.argmax(dim=0).numpy()]
    return chosen
