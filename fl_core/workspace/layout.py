"""Where everything lies in a workspace, as in the OpenFL paper."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from fl_core.durable import Disk
from fl_core.errors import InputError

SCHEMA: Final = "workspace/1"
FIRST_PLAN: Final = "default"
CODE_FOLDERS: Final = ("src", "code")
"""Folders whose files every party runs."""


@dataclass(frozen=True)
class Workspace:
    """The paths of one workspace.

    Attributes:
        root: Its folder.

    Example:
        >>> Workspace(Path("w")).plan.as_posix()
        'w/plan/plan.yaml'
    """

    root: Path

    @property
    def plan(self) -> Path:
        """The plan in force."""
        return self.root / "plan" / "plan.yaml"

    @property
    def frozen(self) -> Path:
        """The hash with which the plan was frozen."""
        return self.root / "plan" / "plan.sha256"

    @property
    def plans(self) -> Path:
        """The folder of saved plans."""
        return self.root / "plan" / "plans"

    @property
    def defaults(self) -> Path:
        """What stands under the sections of the plan."""
        return self.root / "plan" / "defaults"

    @property
    def authorised(self) -> Path:
        """The names that may take part; outside the hash."""
        return self.root / "plan" / "cols.yaml"

    @property
    def data_paths(self) -> Path:
        """Each collaborator's data on its own machine; outside the hash, never exported."""
        return self.root / "plan" / "data.yaml"

    @property
    def save(self) -> Path:
        """The models: initial, best and last."""
        return self.root / "save"

    @property
    def logs(self) -> Path:
        """What happened."""
        return self.root / "logs"

    @property
    def cert(self) -> Path:
        """Keys and certificates."""
        return self.root / "cert"

    @property
    def requirements(self) -> Path:
        """Packages that the workspace's code needs."""
        return self.root / "requirements.txt"

    @property
    def marker(self) -> Path:
        """Says that this is a workspace, from which template, and which saved plan is in force."""
        return self.root / ".workspace"


def open_workspace(root: Path) -> Workspace:
    """Return the workspace in a folder.

    Raises:
        InputError: The folder holds no plan.
    """
    workspace = Workspace(root)
    if not workspace.plan.is_file():
        raise InputError(
            f"{root.resolve()}: is no workspace (plan/plan.yaml is missing); change into one, or make one "
            "with `fx workspace create --prefix FOLDER --template NAME`"
        )
    return workspace


def workspace_of(plan_file: Path) -> Workspace:
    """Return a plan's workspace: the folder above ``plan/``, or the plan's own.

    Example:
        >>> [workspace_of(Path(file)).root.as_posix() for file in ("w/plan/plan.yaml", "w/p.yaml")]
        ['w', 'w']
    """
    folder = plan_file.parent
    return Workspace(folder.parent if folder.name == "plan" else folder)


def read_marker(workspace: Workspace) -> dict[str, Any]:
    """Return what the marker says; a missing one says the first plan.

    Raises:
        InputError: It cannot be read.
    """
    if not workspace.marker.exists():
        return {"schema": SCHEMA, "current_plan_name": FIRST_PLAN}
    return {"current_plan_name": FIRST_PLAN, **read_mapping(workspace.marker)}


def write_marker(workspace: Workspace, disk: Disk, **changes: str) -> None:
    """Write the marker, with some of its values changed."""
    content = {**read_marker(workspace), **changes, "schema": SCHEMA}
    disk.write(workspace.marker, yaml.safe_dump(content, sort_keys=True).encode())


def read_data_paths(workspace: Workspace) -> dict[str, str]:
    """Return where each collaborator's data is, by its name; empty without the file.

    Raises:
        InputError: The file is no mapping of names to paths.
    """
    if not workspace.data_paths.exists():
        return {}
    found = read_mapping(workspace.data_paths)
    for name, path in found.items():
        if not isinstance(path, str | int):
            raise InputError(f"{workspace.data_paths}: {name}: write one path, not {type(path).__name__}")
    return {str(name): str(path) for name, path in found.items()}


def read_mapping(path: Path) -> dict[Any, Any]:
    """Return a small YAML file's mapping; an empty file is an empty one.

    Raises:
        InputError: The file cannot be read or holds something else.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path}: write a mapping `name: value`, not {type(content).__name__}")
    return content
