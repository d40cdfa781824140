"""What is known before a run plays a round: its data, its identity, its world and what it goes on from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from challenge.config import ConfigError, Task1Config
from challenge.submissions.digest import submission_digest
from challenge.task1.facts import code_version
from challenge.task1.inputs import Inputs, read_inputs
from challenge.task1.plan import task1_plan
from challenge.task1.surroundings import Surroundings
from challenge.task1.world import experiment_settings, make_world
from fl_core.plan.schema import Plan
from partitions.home import cache_home
from tasks.task1_aggregation.checkpoint import Checkpoint
from tasks.task1_aggregation.experiment import World, at_horizon
from tasks.task1_aggregation.run_state import RunState, with_more_rounds
from tasks.task1_aggregation.settings import ExperimentSettings


@dataclass(frozen=True)
class Preparation:
    """A run that can begin, or go on.

    Attributes:
        plan: What the federation agreed on.
        settings: What is fixed for the run.
        inputs: Its cases.
        identity: Digests of all that decides its bytes.
        world: Clock, outages and rules.
        saved: The committed state and the run's own notes with it; None for a run that begins.
    """

    plan: Plan
    settings: ExperimentSettings
    inputs: Inputs
    identity: Mapping[str, str]
    world: World
    saved: tuple[RunState, dict[str, Any]] | None


def prepare(
    config: Task1Config, checkpoint: Checkpoint, around: Surroundings, *, resume: bool
) -> Preparation:
    """Read everything and compare it with the checkpoint; the run's folder stays as it is.

    So a resume that is refused leaves a finished run finished.

    Args:
        config: Resolved.
        checkpoint: Of the run.
        around: The process around.
        resume: Whether the run goes on from the checkpoint, if there is one.

    Raises:
        InputError, DataError: An input is wrong.
        CheckpointError: Something changed since the run began, or the checkpoint is damaged.
    """
    plan = task1_plan(config)
    settings = experiment_settings(config, plan)
    root = cache_home(around.environment)
    inputs = read_inputs(config, root, os.cpu_count() or 1, around.terminal.progress)
    for note in inputs.notes:
        around.terminal.warn(note)
    identity = _identity(config, inputs)
    world = make_world(config, settings, inputs.sites)
    saved = _saved(checkpoint, identity, settings) if resume and checkpoint.exists else None
    return Preparation(plan, settings, inputs, identity, world, saved)


def _identity(config: Task1Config, inputs: Inputs) -> dict[str, str]:
    return {
        "submission": submission_digest(config.submission) if config.submission else "built-in",
        "version": code_version(),
        "config": config.digest(),
        "data": inputs.data_digest(),
        "split": f"sha256:{hashlib.sha256(inputs.split_csv()).hexdigest()}",
        "init": _file_digest(config.init) if config.init else "seeded",
    }


def _file_digest(path: Path) -> str:
    try:
        return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    except OSError as error:
        raise ConfigError(
            f"--init {path}: {error.strerror}; put it back where the run began with it"
        ) from error


def _saved(
    checkpoint: Checkpoint, identity: Mapping[str, str], settings: ExperimentSettings
) -> tuple[RunState, dict[str, Any]]:
    state, notes = checkpoint.load(identity)
    over = at_horizon(state.simulated_time_s, settings.horizon_s)
    if state.scored_last and settings.rounds > state.aggregator.round and not over:
        state = with_more_rounds(state)
    return state, notes
