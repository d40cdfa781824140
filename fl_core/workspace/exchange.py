"""Carrying a workspace from the aggregator to the collaborators: an archive of what they agree on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fl_core.archive import ArchiveError, Limits, extract_zip, write_zip
from fl_core.errors import InputError, PlanError
from fl_core.plan.state_path import state_path
from fl_core.workspace.code import code_files
from fl_core.workspace.frozen import NO_WEIGHTS, Frozen, check_frozen, frozen_now
from fl_core.workspace.layout import CODE_FOLDERS, Workspace, open_workspace

LIMITS: Final = Limits(entries=10_000, total_bytes=16 << 30)
_FILES: Final = ("requirements.txt", "README.md", ".workspace", "plan/plan.yaml", "plan/plan.sha256")
_KEYS: Final = (".key", ".pem", ".p12", ".pfx")


@dataclass(frozen=True)
class Imported:
    """A workspace that came in an archive."""

    workspace: Workspace
    frozen: Frozen
    files: int


def export_workspace(workspace: Workspace, archive: Path) -> tuple[Frozen, list[str]]:
    """Write what every party must share: plan, defaults, code, requirements, initial weights.

    Nothing else goes into it: no key or certificate, no data path, no name of a collaborator, no log, no
    model but the initial one.

    Returns:
        The frozen plan, and the names of the files in the archive.

    Raises:
        PlanError: The plan was not initialised, or something changed since.
        InputError: A file of code is, or holds, a private key.
    """
    if frozen_now(workspace.plan).weights == NO_WEIGHTS:
        raise PlanError(f"{workspace.plan}: the initial weights are missing; `fx plan initialize` makes them")
    frozen = check_frozen(workspace.plan)
    files = _small_files(workspace)
    for name, content in code_files(workspace.root).items():
        if name.endswith(_KEYS) or b"PRIVATE KEY-----" in content:
            raise InputError(f"{workspace.root / name}: is a private key; keys belong into cert/")
        files[name] = content
    weights = state_path(workspace.root, frozen.plan.aggregator.settings.init_state_path).path
    files[weights.relative_to(workspace.root).as_posix()] = weights
    write_zip(archive, files)
    return frozen, sorted(files)


def import_workspace(archive: Path, folder: Path) -> Imported:
    """Make a workspace of an archive, in a folder of the archive's name.

    Args:
        archive: As `export_workspace` wrote it.
        folder: Where the workspace's folder is made.

    Raises:
        ArchiveError: It is no such archive, holds something else, or the folder is there and not empty.
        PlanError: The hash in it is not that of its files.
    """
    target = folder / archive.stem
    if archive.suffix != ".zip" or target.name.startswith("."):
        raise ArchiveError(f"{archive}: name the archive that `fx workspace export` wrote, NAME.zip")
    names = extract_zip(archive, target, LIMITS)
    try:
        strange = [name for name in names if not _expected(name)]
        if strange:
            raise ArchiveError(f"{archive}: {strange[0]} does not belong into an exported workspace")
        workspace = open_workspace(target)
        frozen = check_frozen(workspace.plan)
        weights = frozen.plan.aggregator.settings.init_state_path
        allowed = state_path(target, weights).path.relative_to(target).as_posix()
        models = [name for name in names if name.startswith("save/") and name != allowed]
        if models:
            raise ArchiveError(f"{archive}: {models[0]} is not the plan's initial model")
    except InputError:
        shutil.rmtree(target)
        raise
    for made in (workspace.save, workspace.logs, workspace.cert):
        made.mkdir(exist_ok=True)
    return Imported(workspace, frozen, len(names))


def _small_files(workspace: Workspace) -> dict[str, bytes | Path]:
    files: dict[str, bytes | Path] = {}
    for name in _FILES:
        if (workspace.root / name).is_file():
            files[name] = (workspace.root / name).read_bytes()
    for file in sorted(workspace.defaults.glob("*.yaml")):
        files[file.relative_to(workspace.root).as_posix()] = file.read_bytes()
    return files


def _expected(name: str) -> bool:
    folder, _, rest = name.partition("/")
    if name in _FILES or folder in CODE_FOLDERS:
        return True
    if name.startswith("plan/defaults/"):
        return name.endswith(".yaml")
    return folder == "save" and rest.endswith(".safetensors")
