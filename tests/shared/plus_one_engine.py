"""`challenge run task1` on the "+1" trainer: all of the harness, none of the cost of a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from challenge.config import Task1Config, parse_config
from challenge.task1.engine import Engine
from challenge.task1.executors import Room, open_executor
from challenge.task1.inputs import HIDDEN_SITE, Inputs
from challenge.task1.plan import task1_plan
from challenge.task1.surroundings import Surroundings
from fl_core.durable import Disk
from fl_core.executor.base import WorkerSetup
from tasks.task1_aggregation.rows import METRIC_COLUMNS, RoundRow

METRICS = ("dice", "valid_dice", "valid_loss", *METRIC_COLUMNS)


@dataclass
class Silent:
    """A terminal that keeps what it is told."""

    lines: list[str] = field(default_factory=list)
    rows: list[RoundRow] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, what: str, done: int, total: int) -> None: ...

    def begin(self, rounds: int, horizon_s: float, sites: int, done: int) -> None: ...

    def started(self, round: int, selected: Sequence[str], jobs: int) -> None: ...

    def site_done(self, round: int, site: str) -> None: ...

    def note(self, round: int, text: str) -> None:
        self.lines.append(f"{round}: {text}")

    def round_done(self, row: RoundRow) -> None:
        self.rows.append(row)

    def finished(self, folder: Path, summary: Mapping[str, Any]) -> None: ...


class PlusOneEngine(Engine):
    """An engine whose model begins at zero and rises by one."""

    def initial(self, config: Task1Config) -> dict[str, Any]:
        return {"bias": np.zeros(3, np.float32), "weight": np.full((2, 3), 0.5, np.float32)}


@contextmanager
def plus_one_engine(config: Task1Config, inputs: Inputs, room: Room) -> Iterator[Engine]:
    """Open the engine: in this process, unless the configuration says otherwise."""
    sizes = {site.name: [site.n_train, site.n_validate] for site in inputs.sites}
    if inputs.split.hidden:
        sizes[HIDDEN_SITE] = [0, len(inputs.split.hidden)]
    settings = {"shapes": {"bias": [3], "weight": [2, 3]}, "metrics": list(METRICS), "sites": sizes}
    plan = task1_plan(config)
    setup = WorkerSetup(
        "fl_core.task_runner.plus_one:open_source", settings, plan.collaborator_settings(config.seed)
    )
    alone = config.model_copy(update={"workers": config.workers or 1})
    with open_executor(alone, inputs, plan, setup, room) as executor:
        yield PlusOneEngine(executor, 1, "cpu", plan, settings)


def surroundings(disk: Disk | None = None, terminal: Silent | None = None) -> Surroundings:
    """Return the surroundings of a run on the "+1" trainer."""
    return Surroundings(terminal or Silent(), disk=disk or Disk(), engine=plus_one_engine)


def configuration(data: Path, **values: Any) -> Task1Config:
    """Return a configuration on that data, without MLflow."""
    return parse_config({"data": str(data), "tracking_uri": "off", "rounds": 3, **values}, "test")


def results(folder: Path) -> dict[str, bytes]:
    """Return the files of a run that must be equal in two equal runs."""
    names = ["config.yaml", "partition.csv", "rounds.csv", "sites.csv", "cases.csv", "model.safetensors"]
    found = {name: (folder / name).read_bytes() for name in names}
    return found | {f"figures/{p.name}": p.read_bytes() for p in (folder / "figures").iterdir()}
