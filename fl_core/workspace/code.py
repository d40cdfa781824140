"""A workspace's own code: which files it is, and how the plan's templates reach it."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Final

from fl_core.errors import PlanError
from fl_core.workspace.layout import CODE_FOLDERS

PACKAGE: Final = "src"
"""The package that templates such as ``src.model.Runner`` name."""


def code_files(root: Path) -> dict[str, bytes]:
    """Return a workspace's code by relative path: every file in its code folders.

    Hidden files and what Python compiles stay out.

    Raises:
        PlanError: A file cannot be read, or is a link: what it points to is not the workspace's.
    """
    found: dict[str, bytes] = {}
    for folder in CODE_FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            name = file.relative_to(root)
            if any(part.startswith(".") or part == "__pycache__" for part in name.parts):
                continue
            if file.is_symlink():
                raise PlanError(f"{file}: is a link; put the file itself there, so that all have the same")
            if not file.is_file() or file.suffix == ".pyc":
                continue
            try:
                found[name.as_posix()] = file.read_bytes()
            except OSError as error:
                raise PlanError(
                    f"{file}: cannot be read ({error.strerror}), so the plan is not frozen"
                ) from error
    return found


def import_code(root: Path) -> None:
    """Make a workspace's ``src`` importable in this process, and none but this workspace's.

    Nothing else of the folder comes onto the import path: a file ``tasks.py`` beside ``src`` shadows nothing.

    Args:
        root: The workspace's folder.
    """
    folder = (root / PACKAGE).resolve()
    loaded = sys.modules.get(PACKAGE)
    if loaded is not None and str(folder) in list(getattr(loaded, "__path__", ())):
        return
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]
    if not folder.is_dir():
        return
    start = folder / "__init__.py"
    if start.is_file():
        spec = spec_from_file_location(PACKAGE, start, submodule_search_locations=[str(folder)])
    else:
        spec = ModuleSpec(PACKAGE, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
    if spec is None:
        raise PlanError(f"{start}: cannot be imported")
    importlib.invalidate_caches()
    module = module_from_spec(spec)
    sys.modules[PACKAGE] = module
    if spec.loader is not None:
        spec.loader.exec_module(module)
