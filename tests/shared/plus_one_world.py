"""A whole Task 1 experiment on the "+1" trainer: numpy only, milliseconds a round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fl_core.collaborator.settings import CollaboratorSettings, OptTreatment, TaskSpec
from fl_core.executor.base import WorkerSetup
from fl_core.executor.local import LocalExecutor
from tasks.task1_aggregation.clock.default import DefaultClock
from tasks.task1_aggregation.context import SiteInfo
from tasks.task1_aggregation.experiment import Experiment, World
from tasks.task1_aggregation.host import LocalHost
from tasks.task1_aggregation.outages.effects import Rules
from tasks.task1_aggregation.outages.process import Outages
from tasks.task1_aggregation.round_work import HIDDEN_TEST, TRAIN, VALIDATE, VALIDATE_LOCAL
from tasks.task1_aggregation.run_state import RunState, first_state
from tasks.task1_aggregation.settings import ExperimentSettings
from tasks.task1_aggregation.strategy import Strategy

SITES = (SiteInfo("1", 5, 2), SiteInfo("2", 3, 1), SiteInfo("3", 2, 1))
METRICS = ("dice", "valid_dice", "valid_loss", "dice_wt", "dice_tc", "dice_et")


@dataclass
class Notes:
    """An observer that remembers."""

    notes: list[str] = field(default_factory=list)

    def started(self, round: int, selected: Sequence[str], jobs: int) -> None:
        self.notes.append(f"{round}: {','.join(selected)} {jobs}")

    def site_done(self, round: int, site: str) -> None: ...

    def note(self, round: int, text: str) -> None:
        self.notes.append(f"{round}: {text}")


def setup(
    sites: Sequence[SiteInfo] = SITES,
    opt_treatment: OptTreatment = OptTreatment.RESET,
    delta_updates: bool = False,
    **settings: Any,
) -> WorkerSetup:
    tasks = {
        VALIDATE: TaskSpec("validate", "global"),
        TRAIN: TaskSpec("train"),
        VALIDATE_LOCAL: TaskSpec("validate", "local"),
        HIDDEN_TEST: TaskSpec("validate", "global"),
    }
    plain = {
        "shapes": {"weight": [2, 3], "bias": [3]},
        "metrics": list(METRICS),
        "sites": {site.name: [site.n_train, site.n_validate] for site in sites},
        **settings,
    }
    return WorkerSetup(
        "fl_core.task_runner.plus_one:open_source",
        plain,
        CollaboratorSettings(tasks, 0, opt_treatment, delta_updates),
    )


def settings(**changes: Any) -> ExperimentSettings:
    values: dict[str, Any] = {
        "seed": 3,
        "rounds": 4,
        "horizon_s": 604800.0,
        "learning_rate": 0.1,
        "delta_updates": False,
    }
    return ExperimentSettings(**{**values, **changes})


def initial() -> dict[str, np.ndarray]:
    return {"weight": np.full((2, 3), 0.5, np.float32), "bias": np.zeros(3, np.float32)}


def experiment(
    strategy: Strategy | None = None,
    rules: Rules | None = None,
    outages: Outages | None = None,
    observer: Notes | None = None,
    worker: WorkerSetup | None = None,
    **changes: Any,
) -> Experiment:
    names = [site.name for site in SITES]
    return Experiment(
        settings(**changes),
        SITES,
        lambda n: n,
        World(DefaultClock(3, names), outages or Outages(), rules or Rules()),
        LocalHost(strategy or Strategy()),
        LocalExecutor(worker or setup(delta_updates=changes.get("delta_updates", False)), 1),
        None,
        observer or Notes(),
    )


def play_all(run: Experiment, state: RunState | None = None) -> RunState:
    state = state or first_state(initial())
    while not state.scored_last:
        state = run.play(state)
    return state


def folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
