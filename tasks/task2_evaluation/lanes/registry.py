"""The lanes by name; their libraries are imported when one is opened."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final, cast

from tasks.task2_evaluation.errors import PackageError
from tasks.task2_evaluation.lanes.base import OpenModel

LANES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "onnx": "tasks.task2_evaluation.lanes.onnx_model",
        "weights": "tasks.task2_evaluation.lanes.weights",
        "code": "tasks.task2_evaluation.lanes.code",
    }
)
"""The module of each lane; it has a function ``open_model``."""


def opener(lane: str) -> OpenModel:
    """Return what opens packages of a lane.

    Raises:
        PackageError: There is no such lane.
    """
    if lane not in LANES:
        raise PackageError(f"lane: {lane!r:.60} is not known; choose one of {', '.join(LANES)}")
    return cast(OpenModel, import_module(LANES[lane]).open_model)
