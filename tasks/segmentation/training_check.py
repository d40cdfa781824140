"""Whether training settings can be trained with: checked before any data is read."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any, Final

from fl_core.errors import InputError
from tasks.segmentation.recipe import TRAINING

OPTIMIZERS: Final = ("adam", "sgd")
_POSITIVE: Final = frozenset(
    {"learning_rate", "epochs", "batches", "batch_size", "patch", "patches_per_case", "clip_norm"}
)
_SHARES: Final = frozenset({"tumour_fraction", "cooldown"})


def check_training(given: Mapping[str, Any]) -> None:
    """Check what differs from the recipe's training: known keys, and values of the recipe's kind.

    Args:
        given: Settings by name, as a configuration holds them.

    Raises:
        InputError: Names the first setting that cannot be, and what would do.

    Example:
        >>> check_training({"learning_rate": 0.01, "patch": [32, 32, 32]})
        >>> check_training({"learning_rate": float("nan")})
        Traceback (most recent call last):
        fl_core.errors.InputError: training.learning_rate is nan; it must be a finite number above 0
    """
    kinds: dict[str, Any] = {**TRAINING, "batches": 1}
    for name, value in given.items():
        if name not in kinds:
            near = difflib.get_close_matches(str(name), kinds, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(sorted(kinds))}"
            raise InputError(f"training.{name} is no setting; {hint}")
        if not _fits(name, value, kinds[name]):
            raise InputError(f"training.{name} is {value!r}; it must be {_wanted(name, kinds[name])}")


def _fits(name: str, value: Any, like: Any) -> bool:
    if isinstance(like, tuple):
        listed = isinstance(value, (list, tuple)) and len(value) == len(like)
        return listed and all(_fits(name, one, kind) for one, kind in zip(value, like, strict=True))
    if isinstance(like, bool):
        return isinstance(value, bool)
    if isinstance(like, str):
        return value in OPTIMIZERS
    number = isinstance(value, int) or (isinstance(like, float) and isinstance(value, float))
    if not number or isinstance(value, bool) or not math.isfinite(value):
        return False
    return (value > 0 if name in _POSITIVE else value >= 0) and (value <= 1 or name not in _SHARES)


def _wanted(name: str, like: Any) -> str:
    if isinstance(like, tuple):
        return f"a list of {len(like)}, each {_wanted(name, like[0])}"
    if isinstance(like, bool):
        return "true or false"
    if isinstance(like, str):
        return " or ".join(OPTIMIZERS)
    if name in _SHARES:
        return "a number from 0 to 1"
    kind = "finite" if isinstance(like, float) else "whole"
    return f"a {kind} number {'above' if name in _POSITIVE else 'from'} 0"
