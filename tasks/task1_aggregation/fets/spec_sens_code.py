"""``fets_challenge.spec_sens_code``: the region masks that 2021's validation functions start from."""

from __future__ import annotations

from typing import Any

import numpy as np

CLASS_LIST = ("4", "1||4", "1||2||4")
"""Channels of output and target, in this order: ET, TC, WT."""


def brats_labels(
    output: Any,
    target: Any,
    class_list: Any = CLASS_LIST,
    binarized: bool = True,
    **_ignored: Any,
) -> dict[str, dict[str, Any]]:
    """Split (batch, channel, z, y, x) arrays into the three regions.

    Args:
        output: The network's output, channels ET, TC, WT.
        target: The reference masks, in the same form.
        class_list: Must be `CLASS_LIST`.
        binarized: Whether to cut the output at 0.5.

    Returns:
        ``{"outputs": {"ET": .., "TC": .., "WT": ..}, "targets": {...}}``.

    Raises:
        ValueError: Another class list, other than three channels, or shapes that differ.
    """
    if tuple(class_list) != CLASS_LIST:
        raise ValueError(f"class_list must be {list(CLASS_LIST)}, not {list(class_list)}")
    if output.shape != target.shape or output.ndim < 2 or output.shape[1] != len(CLASS_LIST):
        raise ValueError(
            "output and target need the same shape with 3 channels at axis 1, "
            f"not {output.shape} and {target.shape}"
        )
    regions = ("ET", "TC", "WT")
    outputs = {region: output[:, channel] for channel, region in enumerate(regions)}
    if binarized:
        outputs = {region: np.asarray(values >= 0.5).astype(np.float32) for region, values in outputs.items()}
    return {
        "outputs": outputs,
        "targets": {region: target[:, channel] for channel, region in enumerate(regions)},
    }
