"""The training loss: soft Dice and cross-entropy over three nested sigmoid outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SMOOTH = 1e-5


def soft_dice(probabilities: Tensor, targets: Tensor) -> Tensor:
    """Return the soft Dice of each region over all voxels of the batch.

    The sums run over the batch, not over single patches: a patch without a region would otherwise give
    a Dice of 0 however small the false volume is, a gradient that drives small regions (TC, ET) to empty
    predictions. Formula: 2 sum(p g) / (sum(p^2) + sum(g^2)), Milletari et al. 2016 (V-Net).

    Args:
        probabilities: (batch, regions, z, y, x), in [0, 1].
        targets: The same shape, 0 or 1.

    Returns:
        (regions,), in [0, 1].
    """
    axes = (0, 2, 3, 4)
    shared = (probabilities * targets).sum(axes)
    sizes = (probabilities * probabilities).sum(axes) + targets.sum(axes)
    return (2 * shared + SMOOTH) / (sizes + SMOOTH)


def region_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss and the soft Dice of each region.

    The loss is the weighted mean over regions of (1 - soft Dice) + binary cross-entropy.

    Args:
        logits: (batch, regions, z, y, x).
        targets: The same shape, 0 or 1.
        weights: (regions,), positive.

    Returns:
        The loss, 0-d; the soft Dice per region, (regions,), without a gradient.
    """
    from torch.nn.functional import binary_cross_entropy_with_logits

    dice = soft_dice(logits.sigmoid(), targets)
    entropy = binary_cross_entropy_with_logits(logits, targets, reduction="none").mean((0, 2, 3, 4))
    loss = ((1 - dice + entropy) * weights).sum() / weights.sum()
    return loss, dice.detach()
