"""What a case without a usable prediction is charged."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.segmentation.metrics.surface import diagonal

PENALTY_HD95 = 374.0
"""What the FeTS challenge charged for a missing prediction, in mm; above the BraTS grid's diagonal."""


def penalty_distance(volume_shape: Sequence[int], spacing: Sequence[float]) -> float:
    """Return the HD95 of what is missing, mm: the larger of 374 and the volume's diagonal.

    So no poor prediction is worse than none.

    Args:
        volume_shape: The reference's shape, (z, y, x).
        spacing: Its voxel size in mm, (z, y, x).

    Raises:
        GeometryError: Shape or spacing are not three sizes.

    Example:
        >>> penalty_distance((155, 240, 240), (1, 1, 1))
        374.0
    """
    return max(PENALTY_HD95, diagonal(volume_shape, spacing))
