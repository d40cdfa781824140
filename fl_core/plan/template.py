"""Templates: dotted paths in a plan, resolved to what they name."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from fl_core.errors import PlanError


def resolve(path: str) -> Any:
    """Import what ``package.module:name`` or ``package.module.name`` names.

    Raises:
        PlanError: The module or the name does not exist; the nearest name is told.

    Example:
        >>> resolve("fl_core.errors:PlanError").__name__
        'PlanError'
    """
    module_name, _, name = path.partition(":") if ":" in path else path.rpartition(".")
    if not module_name or not name:
        raise PlanError(f"template {path!r} is no dotted path; write package.module.Name")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = str(error.name)
        own = missing.split(".")[0] == module_name.split(".")[0]
        hint = "" if own else "; install what the workspace needs: pip install -r requirements.txt"
        raise PlanError(f"template {path!r} cannot be reached: no module named {missing!r}{hint}") from error
    if not hasattr(module, name):
        near = difflib.get_close_matches(name, [n for n in dir(module) if not n.startswith("_")], n=1)
        hint = f"; did you mean {module_name}.{near[0]}?" if near else ""
        raise PlanError(f"template {path!r} cannot be reached: {module_name} has no {name!r}{hint}")
    return getattr(module, name)
