"""The default recipe: network, training and federation settings that learn on every seed.

Plain values, no framework: the command line, the clock and the plan read them without importing torch.
How they were found, and what they reach, is in docs/recipe.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fl_core.errors import InputError

NETWORK: Mapping[str, Any] = MappingProxyType(
    {"name": "unet", "channels": (16, 32, 64), "stem": 2, "prior": (0.08, 0.04, 0.03)}
)
"""The default network; see `tasks.segmentation.network.build`."""

TRAINING: Mapping[str, Any] = MappingProxyType(
    {
        "optimizer": "adam",
        "learning_rate": 4e-3,
        "epochs": 2.0,
        "proximal_mu": 0.0,
        "batch_size": 2,
        "patch": (32, 32, 32),
        "patches_per_case": 4,
        "tumour_fraction": 0.6,
        "flips": (False, False, True),
        "gain": 0.1,
        "shift": 0.1,
        "warmup_steps": 4,
        "cooldown": 0.1,
        "clip_norm": 1.0,
        "region_weights": (1.0, 1.0, 1.0),
    }
)
"""The default training; a round overrides ``learning_rate``, ``epochs`` or ``batches``, ``proximal_mu``."""

FEDERATION: Mapping[str, Any] = MappingProxyType({"rounds": 12, "epochs": 2.0})
"""How many rounds, and epochs in each, the embedded default runs."""

WINDOW = (176, 208, 176)
"""Volumes up to this size are segmented whole, larger ones through a sliding window of this size."""


def training_settings(given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the default training settings, overridden by `given`.

    Raises:
        InputError: `given` has a key that no training setting has.

    Example:
        >>> training_settings({"batch_size": 1})["batch_size"]
        1
    """
    return _merged(TRAINING, given or {}, "training")


def network_settings(given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the network settings: the default ones, or `given` where it names a network.

    Example:
        >>> network_settings()["name"]
        'unet'
    """
    return dict(given) if given else dict(NETWORK)


def _merged(default: Mapping[str, Any], given: Mapping[str, Any], what: str) -> dict[str, Any]:
    unknown = sorted(set(given) - set(default) - {"batches"})
    if unknown:
        raise InputError(f"unknown {what} setting {unknown[0]!r}; known are {', '.join(sorted(default))}")
    return {**default, **given}
