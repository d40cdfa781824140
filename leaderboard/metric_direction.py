"""Which metric columns of cases.csv are ranked, and in which direction each one is better."""

from __future__ import annotations

RANKED_METRICS = ("dice_wt", "dice_tc", "dice_et", "hd95_wt", "hd95_tc", "hd95_et")
"""What the FeTS challenge ranked on."""

_LOWER = ("hd95",)
_HIGHER = ("dice", "sensitivity", "specificity", "precision")


def known_metric(metric: str) -> bool:
    """Return whether the direction of a metric column is known."""
    return metric.startswith(tuple(f"{name}_" for name in _LOWER + _HIGHER))


def lower_is_better(metric: str) -> bool:
    """Return whether a smaller value of a metric column is the better one.

    Example:
        >>> lower_is_better("hd95_wt"), lower_is_better("dice_wt")
        (True, False)
    """
    return metric.startswith(tuple(f"{name}_" for name in _LOWER))
