"""Segment a whole case: region logits, probabilities and labels on the full grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tasks.segmentation.network import padded, stride_of
from tasks.segmentation.recipe import WINDOW
from tasks.segmentation.regions import to_labels

THRESHOLD = 0.5


def region_logits(
    network: nn.Module,
    image: npt.NDArray[np.float32],
    *,
    device: str = "cpu",
    window: Sequence[int] = WINDOW,
) -> Tensor:
    """Return the logits of WT, TC and ET for a cropped image.

    An image that fits the window is done in one pass, a larger one in windows that overlap by half and are
    blended with Gaussian weights (MONAI's sliding-window inference).

    Args:
        network: Maps (1, 4, z, y, x) to (1, 3, z, y, x).
        image: (4, z, y, x), normalised.
        device: Where to compute.
        window: Largest size done in one pass, voxels (z, y, x).

    Returns:
        (3, z, y, x), float32, on the CPU.
    """
    network.eval()
    batch = torch.from_numpy(np.array(image, np.float32))[None].to(device)
    size = image.shape[1:]
    with torch.inference_mode():
        if all(n <= w for n, w in zip(size, window, strict=True)):
            logits = network(padded(batch, stride_of(network)))[..., : size[0], : size[1], : size[2]]
        else:
            logits = _sliding(network, batch, window)
    result: Tensor = logits[0].float().cpu()
    return result


def region_probabilities(logits: Tensor) -> npt.NDArray[np.float32]:
    """Return the sigmoid of (3, z, y, x) logits as an array."""
    probabilities: npt.NDArray[np.float32] = torch.sigmoid(logits).numpy()
    return probabilities


def segment(
    probabilities: npt.NDArray[np.float32],
    shape: Sequence[int],
    offset: Sequence[int],
    *,
    threshold: float = THRESHOLD,
) -> npt.NDArray[np.uint8]:
    """Return labels on the full grid from region probabilities on the crop.

    Args:
        probabilities: (3, z, y, x) of WT, TC and ET on the crop.
        shape: The full grid, voxels (z, y, x).
        offset: Corner of the crop in it.
        threshold: A voxel belongs to a region where the probability is above it.

    Returns:
        uint8 of `shape`; 0 outside the crop.
    """
    labels = np.zeros(tuple(shape), np.uint8)
    box = tuple(slice(o, o + n) for o, n in zip(offset, probabilities.shape[1:], strict=True))
    labels[box] = to_labels(probabilities > threshold)
    return labels


def _sliding(network: nn.Module, batch: Tensor, window: Sequence[int]) -> Any:
    from monai.inferers.utils import sliding_window_inference

    stride = stride_of(network)
    edges = [-(-edge // stride) * stride for edge in window]
    return sliding_window_inference(batch, edges, 1, network, overlap=0.5, mode="gaussian")
