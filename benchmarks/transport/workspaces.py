"""A federation of the "+1" trainer in folders, as ``fx`` makes them, for any number of sites."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from fl_core.durable import Disk
from fl_core.tensors import Array

FX: Final = Path(sys.executable).parent / "fx"
TENSORS: Final = 60
WHOLE: Final = Path(__file__).with_name("whole.py")


@dataclass(frozen=True)
class Federation:
    """Folders of one federation.

    Attributes:
        aggregator: Its workspace.
        sites: Each site's workspace, by name.
        port: Where the aggregator listens.
    """

    aggregator: Path
    sites: dict[str, Path]
    port: int


def shapes(parameters: int) -> dict[str, list[int]]:
    """Return the shapes of 60 tensors that have so many elements together.

    Example:
        >>> sum(np.prod(shape) for shape in shapes(1_000_003).values())
        1000003
    """
    each = parameters // TENSORS
    sizes = [each] * (TENSORS - 1) + [parameters - each * (TENSORS - 1)]
    return {f"layer{index:02d}": [size] for index, size in enumerate(sizes)}


def random_model(parameters: int) -> dict[str, Array]:
    """Return random weights: equal ones would flatter systems that send equal tensors once."""
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes(parameters).items()}


def prepare(
    folder: Path, *, sites: int, parameters: int, rounds: int, port: int, whole: bool = False
) -> Federation:
    """Make the workspaces of a federation, by the commands that its operators would use.

    Args:
        folder: Empty; everything goes there.
        sites: How many.
        parameters: Of the model, float32.
        rounds: How many.
        port: A free one.
        whole: Whether the aggregation function needs all updates at once.
    """
    own = folder / "W"
    _fx(folder, "workspace", "create", "--prefix", "W", "--template", "numpy_plus_one")
    _write_plan(own, parameters, rounds, port, whole)
    Disk().write_tensors(folder / "weights.safetensors", random_model(parameters))
    _fx(own, "plan", "initialize", "-a", "localhost", "--weights", str(folder / "weights.safetensors"))
    _fx(own, "workspace", "certify")
    _fx(own, "aggregator", "generate-cert-request", "--fqdn", "localhost")
    _fx(own, "aggregator", "certify", "--fqdn", "localhost", "--silent")
    _fx(own, "workspace", "export")
    names = [f"site{index:02d}" for index in range(sites)]
    return Federation(own, {name: _site(folder, own, name) for name in names}, port)


def _site(folder: Path, aggregator: Path, name: str) -> Path:
    home = folder / name
    home.mkdir()
    _fx(home, "workspace", "import", "--archive", str(aggregator / "W.zip"))
    own = home / "W"
    _fx(own, "collaborator", "generate-cert-request", "-n", name)
    request = own / f"col_{name}_to_agg_cert_request.zip"
    _fx(aggregator, "collaborator", "certify", "--request-pkg", str(request), "--silent")
    reply = aggregator / f"agg_to_col_{name}_signed_cert.zip"
    _fx(own, "collaborator", "certify", "--import", str(reply))
    return own


def _write_plan(workspace: Path, parameters: int, rounds: int, port: int, whole: bool) -> None:
    path = workspace / "plan" / "plan.yaml"
    plan: dict[str, Any] = yaml.safe_load(path.read_text())
    plan["aggregator"]["settings"] |= {"rounds_to_train": rounds}
    if whole:
        shutil.copy(WHOLE, workspace / "src" / WHOLE.name)
        plan["aggregator"]["settings"]["aggregation"] = f"src.{WHOLE.stem}.WholeMean"
    plan["task_runner"]["settings"]["shapes"] = shapes(parameters)
    plan["network"]["settings"] = {"agg_port": port}
    plan["assigner"]["settings"] = {"task_groups": [{"name": "all", "percentage": 1.0, "tasks": ["train"]}]}
    path.write_text(yaml.safe_dump(plan, sort_keys=False))


def _fx(folder: Path, *arguments: str) -> None:
    done = subprocess.run([FX, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"fx {' '.join(arguments)}: {done.stderr}")
