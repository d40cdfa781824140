"""Initialising a plan: the aggregator's address, the weights to begin with, and the hash over all of it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fl_core.durable import Disk
from fl_core.errors import FederationError
from fl_core.pki.names import check_fqdn
from fl_core.plan.address import aggregator_address, port_of
from fl_core.plan.build import worker_setup
from fl_core.plan.edit import set_value
from fl_core.plan.loader import load_plan
from fl_core.plan.schema import Plan
from fl_core.plan.state_path import state_path
from fl_core.task_runner.base import TaskRunner
from fl_core.tensors import Tensors
from fl_core.tensors.check import check_like
from fl_core.tensors.codec import read_file, write_file
from fl_core.workspace.frozen import Frozen, freeze, frozen_now
from fl_core.workspace.layout import Workspace
from fl_core.workspace.source import initial_runner

SETTINGS = ("network", "settings")


@dataclass(frozen=True)
class Initialised:
    """What an initialised plan fixes.

    Attributes:
        frozen: The plan and its hash.
        host: Where the aggregator is reached.
        port: Its TCP port.
        weights: The file of the initial weights.
        tensors: How many there are.
        values: How many numbers they hold together.
        notes: Remarks, e.g. on a path that ends in ``.pbuf``.
    """

    frozen: Frozen
    host: str
    port: int
    weights: Path
    tensors: int
    values: int
    notes: tuple[str, ...]


def initialise(
    workspace: Workspace,
    *,
    address: str | None = None,
    weights: Path | None = None,
    disk: Disk,
    own_name: Callable[[], str] = socket.getfqdn,
) -> Initialised:
    """Fill in the plan's address and port, write the initial weights, and freeze the plan.

    Args:
        workspace: The aggregator's.
        address: Its name or address, in place of the plan's.
        weights: A safetensors file to begin with; by default the task runner's own, drawn from the seed.
        disk: Where to write.
        own_name: This machine's fully qualified name.

    Raises:
        CertificateError: The address is none.
        PlanError: The plan or one of its templates is wrong.
        TensorError: The given weights are not the model's.
        FederationError: The task runner's own code failed.
    """
    plan = load_plan(workspace.plan)
    if address is not None:
        address = check_fqdn(address)
    runner = model_of(plan, workspace.root)
    drawn = runner.tensors()
    tensors: Tensors = drawn
    notes: list[str] = []
    if weights is not None:
        given, _ = read_file(weights)
        tensors, mended = check_like(given, drawn, what=str(weights))
        notes += mended
    key = f"{workspace.plan}: aggregator.settings.init_state_path"
    where = state_path(workspace.root, plan.aggregator.settings.init_state_path, key=key)
    notes += [where.note] if where.note else []
    where.path.parent.mkdir(parents=True, exist_ok=True)
    write_file(where.path, tensors, disk=disk)
    _fill_in(workspace, plan, address, disk, own_name)
    found = freeze(workspace.plan, disk)
    host, port = aggregator_address(found.plan.network.settings, found.hash)
    values = sum(int(array.size) for array in tensors.values())
    return Initialised(found, host, port, where.path, len(tensors), values, tuple(notes))


def model_of(plan: Plan, root: Path) -> TaskRunner:
    """Return the plan's task runner without data, for its model.

    Raises:
        PlanError: The plan is wrong.
        FederationError: The runner's own code failed.
    """
    setup = worker_setup(plan, workspace=root)
    try:
        return initial_runner(setup.settings)
    except FederationError:
        raise
    except Exception as error:  # the workspace's own code may raise anything
        raise FederationError(
            f"task_runner.template: {plan.task_runner.template} failed ({type(error).__name__}: {error}); "
            "where only the model is wanted it is called with None for its data; --debug shows the place"
        ) from error


def _fill_in(
    workspace: Workspace, plan: Plan, address: str | None, disk: Disk, own_name: Callable[[], str]
) -> None:
    settings = plan.network.settings
    text = workspace.plan.read_text(encoding="utf-8")
    if address is not None or settings.agg_addr == "auto":
        text = set_value(text, [*SETTINGS, "agg_addr"], address or own_name())
        disk.write(workspace.plan, text.encode())
    if settings.agg_port == "auto":
        port = port_of(frozen_now(workspace.plan).hash, settings.hash_salt)
        disk.write(workspace.plan, set_value(text, [*SETTINGS, "agg_port"], port).encode())
