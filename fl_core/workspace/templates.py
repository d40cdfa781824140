"""Templates of workspaces: small complete federations to start from."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fl_core.durable import Disk
from fl_core.errors import InputError, PlanError
from fl_core.plan.loader import INSTALLED, read_sections
from fl_core.workspace.layout import FIRST_PLAN, Workspace, read_mapping, write_marker

FOLDER: Final = Path(__file__).parent / "templates"
DESCRIPTION: Final = "template.yaml"
_COLLABORATORS: Final = "collaborators: []\n"


@dataclass(frozen=True)
class Template:
    """A template.

    Attributes:
        name: Begins with the framework.
        description: One line.
        folders: Whose files it has; a later one's go over an earlier one's.
    """

    name: str
    description: str
    folders: tuple[Path, ...]

    def files(self) -> dict[str, bytes]:
        """Return the files of a new workspace by relative path."""
        found: dict[str, bytes] = {}
        for folder in self.folders:
            for file in sorted(folder.rglob("*")):
                name = file.relative_to(folder)
                if file.is_file() and name.as_posix() != DESCRIPTION and "__pycache__" not in name.parts:
                    found[name.as_posix()] = file.read_bytes()
        return found


def templates() -> dict[str, Template]:
    """Return the templates by name, sorted.

    Example:
        >>> [name for name in templates() if name.startswith("numpy")]
        ['numpy_plus_one']
    """
    found = {}
    for folder in sorted(path.parent for path in FOLDER.glob(f"*/{DESCRIPTION}")):
        if folder.name.startswith("_"):  # what others extend
            continue
        told = read_mapping(folder / DESCRIPTION)
        found[folder.name] = Template(folder.name, str(told["description"]), (*_bases(told), folder))
    return found


def create_workspace(root: Path, name: str, disk: Disk) -> Workspace:
    """Make a workspace from a template, in a new or empty folder.

    The defaults that its plan names are copied into it, so that a later release changes nothing there.

    Raises:
        InputError: There is no such template, or the folder holds something.
    """
    known = templates()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise InputError(f"no template is called {name!r}; {hint}")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(f"{root}: is there and not an empty folder; name a new one")
    workspace = Workspace(root)
    files = known[name].files()
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    for folder in (workspace.save, workspace.logs, workspace.cert, workspace.defaults):
        folder.mkdir(parents=True, exist_ok=True)
    for default in _named_defaults(read_sections(workspace.plan)):
        if not (root / default).exists():
            disk.write(root / default, (INSTALLED / Path(default).relative_to("plan")).read_bytes())
    disk.write(workspace.authorised, _COLLABORATORS.encode())
    disk.write(workspace.data_paths, b"")
    write_marker(workspace, disk, current_plan_name=FIRST_PLAN, template=name)
    return workspace


def _bases(told: Mapping[str, Any]) -> list[Path]:
    return [FOLDER / base for base in told.get("extends") or []]


def _named_defaults(sections: Mapping[str, Any]) -> list[str]:
    named = []
    for section, content in sections.items():
        default = content.get("defaults") if isinstance(content, dict) else None
        if default is None:
            continue
        if not (INSTALLED / "defaults" / Path(default).name).is_file():
            raise PlanError(f"{section}.defaults: {default} is not installed")
        named.append(str(default))
    return named
