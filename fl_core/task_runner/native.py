"""Writing a runner's model in a form that its framework, or numpy, reads without this program."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fl_core.durable import Disk
from fl_core.errors import InputError
from fl_core.task_runner.base import TaskRunner
from fl_core.tensors.codec import write_file

Writer = Callable[[TaskRunner, Path], str]


def save_native(runner: TaskRunner, path: Path) -> str:
    """Write the model that a runner holds; the ending of the path says how.

    ``.safetensors`` and ``.npz`` for every framework; ``.pt`` and ``.pth`` for PyTorch: a state_dict that
    ``torch.load(path, weights_only=True)`` reads; ``.keras`` and ``.weights.h5`` for Keras.

    Returns:
        What was written and how it is read, in words.

    Raises:
        InputError: The runner's framework has no such form.
    """
    forms: Mapping[str, Writer] = {".safetensors": _safetensors, ".npz": _npz, **_of_framework(runner)}
    ending = ".weights.h5" if path.name.endswith(".weights.h5") else path.suffix
    if ending not in forms:
        kind = type(runner).__name__
        raise InputError(f"{path}: {kind} cannot be saved so; end the name in {', '.join(sorted(forms))}")
    return forms[ending](runner, path)


def _of_framework(runner: TaskRunner) -> dict[str, Writer]:
    # A runner of a framework can only be there when its module was imported.
    torch_runner = sys.modules.get("fl_core.task_runner.pytorch")
    if torch_runner is not None and isinstance(runner, torch_runner.PyTorchTaskRunner):
        return {".pt": _state_dict, ".pth": _state_dict}
    keras_runner = sys.modules.get("fl_core.task_runner.keras")
    if keras_runner is not None and isinstance(runner, keras_runner.KerasTaskRunner):
        return {".keras": _keras, ".weights.h5": _keras_weights}
    return {}


def _safetensors(runner: TaskRunner, path: Path) -> str:
    write_file(path, runner.tensors(), disk=Disk())
    return "safetensors; safetensors.numpy.load_file reads it"


def _npz(runner: TaskRunner, path: Path) -> str:
    arrays: dict[str, Any] = dict(runner.tensors())
    np.savez(path, **arrays)
    return "arrays by name; numpy.load reads them"


def _state_dict(runner: Any, path: Path) -> str:
    import torch

    torch.save(runner.network.state_dict(), path)
    return "a PyTorch state_dict; torch.load(..., weights_only=True) reads it"


def _keras(runner: Any, path: Path) -> str:
    runner.model.save(path)
    return "a Keras model; keras.saving.load_model reads it"


def _keras_weights(runner: Any, path: Path) -> str:
    runner.model.save_weights(path)
    return "weights of a Keras model; model.load_weights reads them"
