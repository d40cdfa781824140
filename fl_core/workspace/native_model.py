"""A federated model as the framework's own file, for use outside a federation."""

from __future__ import annotations

from pathlib import Path

from fl_core.errors import InputError
from fl_core.plan.loader import load_plan
from fl_core.task_runner.native import save_native
from fl_core.tensors.check import check_like
from fl_core.tensors.codec import read_file
from fl_core.workspace.initialise import model_of
from fl_core.workspace.layout import Workspace


def save_model(workspace: Workspace, model: Path, output: Path) -> str:
    """Put a model's tensors into the plan's network and write that as the framework does.

    Args:
        workspace: Its plan says which network it is.
        model: A safetensors file that the federation wrote.
        output: The file to write; its ending says in which form, see `fl_core.task_runner.native`.

    Returns:
        What was written, in words.

    Raises:
        TensorError: The file is not of this network.
        InputError: The framework has no such form, or `output` is there already.
    """
    if output.exists():
        raise InputError(f"{output}: is there already; name a new file")
    tensors, _ = read_file(model)
    runner = model_of(load_plan(workspace.plan), workspace.root)
    checked, _ = check_like(tensors, runner.tensors(), what=str(model))
    runner.load(checked)
    return save_native(runner, output)
