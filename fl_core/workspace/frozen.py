"""Freezing a workspace: the hash over plan, code and weights by which parties know that they agree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fl_core.durable import Disk
from fl_core.errors import PlanError, TensorError
from fl_core.plan.freeze import plan_hash
from fl_core.plan.loader import load_plan
from fl_core.plan.schema import Plan
from fl_core.plan.state_path import state_path
from fl_core.workspace.code import code_files
from fl_core.workspace.layout import workspace_of

NO_WEIGHTS: Final = "none"


@dataclass(frozen=True)
class Frozen:
    """What a plan's hash stands for.

    Attributes:
        plan: The plan.
        hash: ``sha256:...`` over plan, code and weights.
        code: Number of files of code.
        weights: Digest of the initial weights; `NO_WEIGHTS` while there are none.
    """

    plan: Plan
    hash: str
    code: int
    weights: str


def frozen_now(plan_file: Path) -> Frozen:
    """Return the hash of a plan and its workspace as they are now.

    No path, date or locale is in it: the same files have the same hash on every machine.

    Raises:
        PlanError: The plan, a file of code or the initial weights cannot be read.
    """
    root = workspace_of(plan_file).root
    plan = load_plan(plan_file)
    code = code_files(root)
    weights = initial_weights(plan, plan_file)
    return Frozen(plan, plan_hash(plan, code, weights), len(code), weights)


def freeze(plan_file: Path, disk: Disk) -> Frozen:
    """Write the hash into the file beside the plan that ends in ``.sha256``."""
    found = frozen_now(plan_file)
    disk.write(plan_file.with_suffix(".sha256"), f"{found.hash}\n".encode())
    return found


def check_frozen(plan_file: Path) -> Frozen:
    """Return what `frozen_now` does, if nothing changed since the plan was frozen.

    Raises:
        PlanError: It was never frozen, or plan, code or initial weights changed.
    """
    found = frozen_now(plan_file)
    file = plan_file.with_suffix(".sha256")
    if not file.is_file():
        raise PlanError(f"{plan_file}: was never frozen; `fx plan freeze {plan_file}` does it")
    before = file.read_text(encoding="utf-8", errors="replace").strip()
    if before != found.hash:
        raise PlanError(
            f"{plan_file}: plan, code or initial weights changed since they were frozen ({before} then, "
            f"{found.hash} now); put them back, or freeze them again"
        )
    return found


def initial_weights(plan: Plan, plan_file: Path) -> str:
    """Return the digest of the initial weights, or `NO_WEIGHTS` while the plan's file of them is missing.

    Raises:
        PlanError: The plan's path leads out of the workspace, or the file holds no tensors.
    """
    key = f"{plan_file}: aggregator.settings.init_state_path"
    path = state_path(workspace_of(plan_file).root, plan.aggregator.settings.init_state_path, key=key).path
    if not path.exists():
        return NO_WEIGHTS
    from fl_core.tensors.codec import read_file
    from fl_core.tensors.digest import digest

    try:
        tensors, _ = read_file(path)
    except (OSError, TensorError) as error:
        raise PlanError(f"{key}: {error}") from error
    return digest(tensors)
