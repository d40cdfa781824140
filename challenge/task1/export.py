"""``challenge run task1 --export-workspace``: what a run over several machines begins with."""

from __future__ import annotations

import os
from pathlib import Path

from challenge.config import Task1Config
from challenge.task1.inputs import read_inputs
from challenge.task1.surroundings import Surroundings
from challenge.task1.workspace import make_workspace
from challenge.task1.world import resolved
from fl_core.tensors.codec import read_file
from partitions.home import cache_home


def export(config: Task1Config, root: Path, around: Surroundings) -> str:
    """Make the workspace for a configuration; return a line for the organizer.

    Args:
        config: As given.
        root: A new or empty folder.
        around: The process around.

    Raises:
        InputError, DataError: The folder holds something, or an input is wrong.
    """
    settled = resolved(config, {}, Path()).model_copy(update={"federation": root})
    home = cache_home(around.environment)
    inputs = read_inputs(settled, home, os.cpu_count() or 1, around.terminal.progress)
    initial = read_file(settled.init)[0] if settled.init is not None else None
    make_workspace(root, settled, inputs, initial, around.disk)
    return f"{root}: the workspace for {len(inputs.sites)} institutions; README.md there has the next steps"
