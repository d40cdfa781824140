"""Phantom brains with tumours, made in memory: each collaborator has an institution of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fl_core.errors import InputError
from partitions.phantom.case import make_case
from partitions.phantom.federation import DEFAULT
from partitions.phantom.grid import grid_at
from tasks.segmentation.entry import Entry
from tasks.segmentation.preprocessing import bounding_box, brain, even_out, normalise


@dataclass(frozen=True)
class PhantomCase(Entry):
    """A case whose arrays are in memory."""

    image: np.ndarray
    labels: np.ndarray


class Phantom:
    """The cases of one institution.

    Args:
        data_path: Which of the institutions, from 1: what follows `-d`.
        cases: How many cases it has; the last one is for validation.
        spacing_mm: Edge of a voxel.
    """

    def __init__(self, data_path: str, cases: int = 3, spacing_mm: float = 6.0) -> None:
        if not data_path.isdecimal() or not 1 <= int(data_path) <= len(DEFAULT):
            raise InputError(
                f"-d {data_path}: there are institutions 1 to {len(DEFAULT)}; choose one of them"
            )
        made = [_case(int(data_path) - 1, number, spacing_mm) for number in range(cases)]
        self.splits = {"train": made[:-1], "validate": made[-1:], "test": []}


def _case(institution: int, number: int, spacing_mm: float) -> PhantomCase:
    spec = DEFAULT[institution]
    made = make_case(0, spec, number, grid_at(spacing_mm))
    stack = made.images.astype(np.float32)
    box = bounding_box(brain(stack))
    stack = stack[(slice(None), *box)]
    inside = brain(stack)
    name = f"Phantom_{spec.name}_{number}"
    return PhantomCase(
        folder=Path(name),
        case=name,
        offset=tuple(int(side.start) for side in box),
        spacing=(spacing_mm,) * 3,
        image=normalise(even_out(stack, inside), inside),
        labels=made.labels,
    )
