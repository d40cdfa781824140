"""The files that users look for: the best and the last model, and the tables of metrics."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fl_core.durable import Disk
from fl_core.federation.standing import Standing, Stored
from fl_core.federation.state_folder import StateFolder
from fl_core.tensors.checksum import file_checksum
from fl_core.tensors.spooled import SpooledTensors


@dataclass(frozen=True)
class Outputs:
    """Where they go.

    Attributes:
        best: The best model; the last where nothing was scored.
        last: The last model.
        logs: Folder of ``rounds.csv`` and ``sites.csv``; None writes none.
    """

    best: Path
    last: Path
    logs: Path | None = None


def write_models(outputs: Outputs, standing: Standing, folder: StateFolder) -> None:
    """Make the files of the best and the last model those of the standing; repeating it changes nothing.

    Raises:
        OSError: The disk refused.
    """
    for target, stored in ((outputs.last, standing.model), (outputs.best, standing.best or standing.model)):
        put(folder.path_of(stored), stored, target, folder.disk)


def put(source: Path, stored: Stored, target: Path, disk: Disk) -> None:
    """Replace `target` by `source`: by a second name of the same file where it can have one, else a copy."""
    if target.is_file():
        if target.samefile(source):
            return
        if target.stat().st_size == stored.blob.size and file_checksum(target) == stored.blob.checksum:
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    named = target.with_name(f".{target.name}.tmp")
    named.unlink(missing_ok=True)
    try:
        os.link(source, named)
    except OSError:  # another file system, or one without links
        disk.write_tensors(target, SpooledTensors(source))
        return
    named.replace(target)
