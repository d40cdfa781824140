"""The engine ``grpc``: an aggregator's server and a collaborator per institution, over mutual TLS."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from challenge.config import Task1Config
from challenge.task1.inputs import HIDDEN_SITE, Inputs
from fl_core.executor.base import Executor, WorkerSetup
from fl_core.plan.schema import Plan

if TYPE_CHECKING:
    import grpc

    from challenge.task1.executors import Room

FOLDER = "engine-"
"""Begins the name of a folder for files in transit."""


@contextmanager
def open_grpc(
    config: Task1Config, inputs: Inputs, plan: Plan, setup: WorkerSetup, workers: int, room: Room
) -> Iterator[Executor]:
    """Serve the aggregator while the block lasts, and host the collaborators unless they are elsewhere.

    Args:
        config: Resolved.
        inputs: The cases.
        plan: What all parties agree on.
        setup: What it takes to serve any site.
        workers: Processes that host the collaborators.
        room: What the engine may use of its run.

    Raises:
        InputError: An institution's name cannot stand in a certificate, or the workspace is not this run's.
    """
    if config.federation is not None:
        from challenge.task1.federation_engine import lead_federation

        with lead_federation(config, inputs, plan, setup, room) as led:
            yield led
        return
    from fl_core.federation.hosting.loopback import LOST_AFTER_S, hosted_sites
    from fl_core.plan.freeze import plan_hash

    costs = site_costs(inputs)
    hosts = min(workers, len(costs))
    with (
        transit_folder(room.folder) as folder,
        hosted_sites(
            setup,
            costs,
            hosts,
            folder,
            plan=plan_hash(plan, {}, "none"),
            interceptors=imposed_outages(config, inputs, plan),
            lost_after_s=LOST_AFTER_S + waits_s(config),
        ) as executor,
    ):
        room.say(f"{len(costs)} collaborators over mutual TLS on loopback, in {hosts} processes")
        yield executor


def site_costs(inputs: Inputs) -> dict[str, float]:
    """Return roughly how much work each site has: its cases; those to validate come twice a round."""
    costs = {site.name: float(site.n_train + 2 * site.n_validate) for site in inputs.sites}
    if inputs.split.hidden:
        costs[HIDDEN_SITE] = float(len(inputs.split.hidden))
    return costs


def waits_s(config: Task1Config) -> float:
    """Return how long imposed outages can keep a site away, in seconds on the wall."""
    if config.impose_outages is None or config.horizon_s is None:
        return 0.0
    return config.horizon_s / config.impose_outages


def imposed_outages(
    config: Task1Config, inputs: Inputs, plan: Plan
) -> list[grpc.ServerInterceptor[Any, Any]]:
    """Return what lets the run's outages happen to connections; nothing unless the configuration asks."""
    if config.impose_outages is None:
        return []
    from challenge.task1.imposed import ImposedTrace
    from challenge.task1.world import experiment_settings, make_world
    from fl_core.transport.imposed_outages import ImposedOutages

    settings = experiment_settings(config, plan)
    # A world of its own: outages are drawn as they are asked for, and the simulation's are not to be shared.
    outages = make_world(config, settings, inputs.sites).outages
    return [ImposedOutages(ImposedTrace(outages, config.impose_outages, settings.horizon_s))]


@contextmanager
def transit_folder(parent: Path) -> Iterator[Path]:
    """Make a folder for files in transit, and remove it with whatever a killed process left."""
    for left in parent.glob(f"{FOLDER}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=FOLDER, dir=parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
