"""Several plans in one workspace: kept by name, one of them in force."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from fl_core.durable import Disk
from fl_core.errors import InputError
from fl_core.workspace.layout import FIRST_PLAN, Workspace, read_marker, write_marker

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


def saved_plans(workspace: Workspace) -> list[str]:
    """Return the names of the saved plans, sorted."""
    return sorted(file.parent.name for file in workspace.plans.glob("*/plan.yaml"))


def current_plan(workspace: Workspace) -> str:
    """Return the name of the plan in force."""
    return str(read_marker(workspace)["current_plan_name"])


def save_plan(workspace: Workspace, name: str, disk: Disk) -> Path:
    """Keep the plan in force under a name, under which it goes on being in force.

    Returns:
        The saved file.

    Raises:
        InputError: The name is none.
    """
    folder = _folder(workspace, name)
    folder.mkdir(parents=True, exist_ok=True)
    disk.write(folder / "plan.yaml", workspace.plan.read_bytes())
    _copy_hash(workspace.frozen, folder / "plan.sha256", disk)
    write_marker(workspace, disk, current_plan_name=name)
    return folder / "plan.yaml"


def switch_plan(workspace: Workspace, name: str, disk: Disk, *, force: bool = False) -> None:
    """Put a saved plan in force.

    Args:
        workspace: Where.
        name: Of a saved plan.
        disk: Where to write.
        force: Whether changes to the plan in force that were not saved may be lost.

    Raises:
        InputError: There is no such plan, or the plan in force has changes that were not saved.
    """
    folder = _saved(workspace, name)
    if not force and not _is_saved(workspace):
        raise InputError(
            f"{workspace.plan}: has changes that no saved plan has; keep them with "
            f"`fx plan save {current_plan(workspace)}`, or lose them with --force"
        )
    disk.write(workspace.plan, (folder / "plan.yaml").read_bytes())
    _copy_hash(folder / "plan.sha256", workspace.frozen, disk)
    write_marker(workspace, disk, current_plan_name=name)


def remove_plan(workspace: Workspace, name: str) -> None:
    """Delete a saved plan.

    Raises:
        InputError: There is no such plan, or it is in force.
    """
    folder = _saved(workspace, name)
    if name == current_plan(workspace):
        raise InputError(f"plan {name!r} is in force; switch to another first (`fx plan switch NAME`)")
    shutil.rmtree(folder)


def _is_saved(workspace: Workspace) -> bool:
    now = workspace.plan.read_bytes()
    return any((workspace.plans / name / "plan.yaml").read_bytes() == now for name in saved_plans(workspace))


def _copy_hash(source: Path, target: Path, disk: Disk) -> None:
    if source.is_file():
        disk.write(target, source.read_bytes())
    else:
        target.unlink(missing_ok=True)


def _folder(workspace: Workspace, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no name for a plan; use letters, digits, _ and -, such as {FIRST_PLAN}"
        )
    return workspace.plans / name


def _saved(workspace: Workspace, name: str) -> Path:
    folder = _folder(workspace, name)
    if not (folder / "plan.yaml").is_file():
        known = ", ".join(saved_plans(workspace)) or "none"
        raise InputError(f"no plan is saved as {name!r}; saved are: {known} (`fx plan save NAME` saves one)")
    return folder
