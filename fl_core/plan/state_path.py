"""Where the models of a federation lie: inside the workspace, always as safetensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fl_core.errors import PlanError


@dataclass(frozen=True)
class StatePath:
    """A model's file, and a remark where it is not the one that the plan names."""

    path: Path
    note: str = ""


def state_path(workspace: Path, named: str, *, key: str = "state path") -> StatePath:
    """Return the file that a plan's ``init_state_path``, ``best_...`` or ``last_...`` means.

    OpenFL's plans end such paths in ``.pbuf``. A safetensors file under that stem stands for it.

    Args:
        workspace: The workspace's folder.
        named: The path as the plan has it.
        key: The setting's name, for messages.

    Raises:
        PlanError: The path leaves the workspace, or ends in something else than a model's file does.

    Example:
        >>> found = state_path(Path("w"), "save/mnist_init.pbuf")
        >>> found.path.as_posix(), found.note
        ('w/save/mnist_init.safetensors', 'save/mnist_init.pbuf: kept as save/mnist_init.safetensors')
    """
    path = workspace / named
    if Path(named).is_absolute() or not path.resolve().is_relative_to(workspace.resolve()):
        raise PlanError(f"{key}: {named} leaves the workspace; name a file inside it")
    if path.suffix == ".pbuf":
        instead = path.with_suffix(".safetensors")
        shown = Path(named).with_suffix(".safetensors").as_posix()
        return StatePath(instead, f"{named}: kept as {shown}")
    return StatePath(path)
