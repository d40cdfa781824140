"""Lane ``code``: a Python module with ``predict(case) -> labels``, or a command between two folders."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from partitions.errors import DataError
from partitions.reader import geometry_differences, read_volume
from tasks.task2_evaluation.case_input import CaseInput
from tasks.task2_evaluation.errors import PackageError
from tasks.task2_evaluation.lanes.base import BadAnswer, Model
from tasks.task2_evaluation.manifest import Manifest

_PYTHON = ("python", "python3")


class CommandFailed(Exception):
    """The package's command ended with an error."""


class ModuleModel:
    """Calls the ``predict`` of a module."""

    def __init__(self, predict: Callable[[CaseInput], Any]) -> None:
        self._predict = predict

    def predict(self, case: CaseInput) -> Any:
        """Return whatever the module returns."""
        return self._predict(case)


class CommandModel:
    """Runs a command for each case: ``CASE/CASE_brain_{t1,...}.nii.gz`` in, ``CASE.nii.gz`` out."""

    def __init__(self, words: Sequence[str], folder: Path, scratch: Path) -> None:
        self._words = tuple(words)
        self._folder = folder
        self._scratch = scratch

    def predict(self, case: CaseInput) -> Any:
        """Write the images, run the command in the package's folder, and read the mask it wrote.

        Raises:
            CommandFailed: It ended with an error.
            BadAnswer: There is no mask, it cannot be read, or it lies on another grid.
        """
        given, taken = self._scratch / "input", self._scratch / "output"
        for folder in (given, taken):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        write_images(case, given)
        places = {"{input}": str(given), "{output}": str(taken)}
        words = [places.get(word, word) for word in self._words]
        if words[0] in _PYTHON:
            words[0] = sys.executable
        # In our own process group: the harness ends all of it.
        if subprocess.run(words, cwd=self._folder, stdin=subprocess.DEVNULL, check=False).returncode:
            raise CommandFailed
        return _read_mask(taken / f"{case.name}.nii.gz", case)


def open_model(folder: Path, manifest: Manifest, scratch: Path) -> Model:
    """Import the module, or look at the command.

    Args:
        folder: The package.
        manifest: Its manifest.
        scratch: Where a command's folders are made.

    Raises:
        PackageError: The module has no function ``predict``, or there is no such command.
        BaseException: Whatever the module raises.
    """
    if manifest.command is not None:
        first = manifest.command[0]
        if first not in _PYTHON and shutil.which(first) is None and not (folder / first).is_file():
            raise PackageError(f"command: {first!r:.100} is neither a program here nor a file of the package")
        return CommandModel(manifest.command, folder, scratch)
    assert manifest.module is not None
    predict = getattr(_imported(folder, folder / manifest.module), "predict", None)
    if not callable(predict):
        raise PackageError(f"{manifest.module}: has no function predict(case); add one that returns labels")
    return ModuleModel(predict)


def write_images(case: CaseInput, folder: Path) -> None:
    """Write a case's images as ``CASE/CASE_brain_{t1,t1ce,t2,flair}.nii.gz``."""
    import SimpleITK

    place = folder / case.name
    place.mkdir()
    for name, array in case.images.items():
        image = SimpleITK.GetImageFromArray(array)
        image.SetSpacing(case.spacing[::-1])
        image.SetOrigin(case.origin)
        image.SetDirection(case.direction)
        SimpleITK.WriteImage(
            image, str(place / f"{case.name}_brain_{name}.nii.gz"), useCompression=True, compressionLevel=1
        )


def _imported(folder: Path, file: Path) -> Any:
    # First on the path, as for a script, so that the package's own files can be imported.
    sys.path.insert(0, str(folder))
    name = f"_package_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PackageError(f"{file.name}: cannot be imported as a module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _read_mask(path: Path, case: CaseInput) -> Any:
    if not path.is_file():
        raise BadAnswer("missing", "the command wrote no mask for the case")
    try:
        volume = read_volume(path)
    except DataError as error:
        raise BadAnswer("unreadable", "the mask that the command wrote cannot be read") from error
    if geometry_differences(case.geometry, volume.geometry):
        raise BadAnswer("geometry", "the mask that the command wrote lies on another grid than the case")
    if volume.not_finite:
        raise BadAnswer("labels", "the mask that the command wrote has voxels that are not finite")
    return volume.array
