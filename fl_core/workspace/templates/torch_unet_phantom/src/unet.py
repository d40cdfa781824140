"""A U-Net for tumour segmentation: the task of this package, on the phantom's cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from src.phantom import Phantom
from tasks.segmentation.runner import SPLITS, SegmentationRunner, SegmentationSource


class Runner(SegmentationRunner):
    """Trains and validates the network on an institution's cases.

    Args:
        data: The institution's cases; None where only the initial model is wanted.
        network: As `tasks.segmentation.network.build` takes it; by default the task's own.
        training: What differs from the task's recipe.
        seed: Of the initial weights.
    """

    def __init__(
        self,
        data: Phantom | None,
        network: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        torch.set_num_threads(1)  # sums then have one order, and equal runs equal bytes
        source = SegmentationSource({"sites": {}, "network": network, "training": training, "seed": seed})
        super().__init__(source, data.splits if data else {name: [] for name in SPLITS})
