"""A whole federation in one process: a lead, thread sites, the "+1" trainer."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from board_sites import BoardSite, Change, connected

from fl_core.aggregator.service import Aggregator
from fl_core.assigner.base import Assigner
from fl_core.collaborator.loop import Collaborator
from fl_core.collaborator.settings import CollaboratorSettings, OptTreatment, TaskSpec
from fl_core.durable import Disk
from fl_core.executor.base import SiteJob
from fl_core.federation.lead import Lead, Patience
from fl_core.federation.outputs import Outputs
from fl_core.federation.progress import Ended, Observer, Progress
from fl_core.federation.state_folder import StateFolder
from fl_core.federation.terms import Terms
from fl_core.task_runner.plus_one import PlusOneRunner, PlusOneSettings
from fl_core.tensors import Array, Tensors
from fl_core.tensors.codec import encode, read_file

TASKS = {
    "validate": TaskSpec("validate"),
    "train": TaskSpec("train"),
    "validate_local": TaskSpec("validate", "local"),
}
SIZES = {"a": (5, 2), "b": (3, 1), "c": (2, 4)}
RUNNER = PlusOneSettings(shapes={"w": (2, 3), "b": (300,)}, sites=SIZES, metrics=("accuracy",))
PATIENCE = Patience(lost_after_s=60.0, linger_s=5.0, poll_s=0.01)


@dataclass(frozen=True)
class Everybody:
    """An assigner that gives all sites the same tasks."""

    tasks: tuple[str, ...] = ("validate", "train", "validate_local")

    def assign(self, round: int, collaborators: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(collaborators, self.tasks)


def terms(
    rounds: int = 3,
    *,
    assigner: Assigner | None = None,
    delta_updates: bool = False,
    opt_treatment: OptTreatment = OptTreatment.RESET,
    **values: Any,
) -> Terms:
    """Return the terms of a federation of the "+1" trainer."""
    collaborator = CollaboratorSettings(TASKS, 7, opt_treatment, delta_updates)
    return Terms("sha256:" + "5" * 64, rounds, collaborator, assigner or Everybody(), **values)


def initial_model() -> dict[str, Array]:
    """Return a model whose values tell every tensor and element apart."""
    return {
        "w": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
        "b": np.linspace(-1, 1, 300, dtype=np.float32),
        "steps": np.array(3, np.int64),
    }


@dataclass
class World:
    """One federation's folders and sites, over restarts of its lead."""

    folder: Path
    terms: Terms
    names: tuple[str, ...] = ("a", "b", "c")
    caps: dict[str, int | None] = field(default_factory=dict)
    disk: Disk = field(default_factory=Disk)
    patience: Patience = PATIENCE
    clock: Callable[[], float] = time.monotonic
    changes: Mapping[str, Change] = field(default_factory=dict)
    seen: list[Progress] = field(default_factory=list)
    sites: dict[str, BoardSite] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.initial = self.folder / "init.safetensors"
        self.initial.write_bytes(encode(initial_model()))
        self.outputs = Outputs(
            self.folder / "save" / "best.safetensors",
            self.folder / "save" / "last.safetensors",
            self.folder / "logs",
        )
        self.caps = self.caps or dict.fromkeys(self.names)
        self.sites = {name: self.site(name) for name in self.names}

    def site(self, name: str, **values: Any) -> BoardSite:
        """Make a site."""
        collaborator = Collaborator(name, PlusOneRunner(RUNNER, name), self.terms.collaborator, lambda: 0.0)
        change = self.changes.get(name, lambda work, report: report)
        folder = self.folder / "sites" / name
        return BoardSite(collaborator, self.terms.exchange, folder, change=change, **values)

    def state(self) -> StateFolder:
        """Open the state folder."""
        return StateFolder(self.folder / "state", self.disk)

    def lead(self, state: StateFolder, observer: Observer | None = None) -> Lead:
        """Make a lead, as after a start of its process."""
        return Lead(
            self.terms,
            state,
            initial=self.initial,
            outputs=self.outputs,
            authorised=lambda: dict(self.caps),
            observer=observer or self.seen.append,
            patience=self.patience,
            name=lambda: "f00d",
            clock=self.clock,
        )

    def run(self) -> Ended:
        """Lead the federation with all its sites connected, until it ends."""
        with (
            self.state() as state,
            self.lead(state) as lead,
            connected(lead.board, lead.spool, self.sites.values()),
        ):
            ended = lead.run()
        errors = [site.error for site in self.sites.values() if site.error is not None]
        assert not errors, errors
        return ended

    def model(self, which: str = "last") -> dict[str, Array]:
        """Return the best or last model."""
        return read_file(self.folder / "save" / f"{which}.safetensors")[0]

    def result(self) -> dict[str, bytes]:
        """Return the files that are equal in two equal runs."""
        save = {path.name: path.read_bytes() for path in (self.folder / "save").glob("*.safetensors")}
        return save | {path.name: path.read_bytes() for path in (self.folder / "logs").glob("*.csv")}

    def rows(self, table: str = "rounds") -> list[dict[str, str]]:
        """Return the rows of a table."""
        with (self.folder / "logs" / f"{table}.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def of(self, kind: type) -> list[Any]:
        """Return what the observer was told of one kind."""
        return [told for told in self.seen if isinstance(told, kind)]


def in_process(terms: Terms, names: Sequence[str] = ("a", "b", "c")) -> dict[str, Array]:
    """Return the last model of the same federation, run in one process without board or files."""
    aggregator = Aggregator(
        initial_model(), rules=terms.rules, delta_updates=terms.collaborator.delta_updates
    )
    states: dict[str, Tensors] = {name: {} for name in names}
    collaborators = {
        name: Collaborator(name, PlusOneRunner(RUNNER, name), terms.collaborator) for name in names
    }
    for round in range(terms.rounds):
        tasks = terms.tasks_of(round, tuple(names))
        aggregator.open_round(tasks)
        model, optimizer = aggregator.model, aggregator.optimizer
        for name in names:
            if tasks[name]:
                job = SiteJob(name, round, tasks[name], extras=optimizer, local_state=states[name])
                report = collaborators[name].perform(job, model)
                states[name] = report.local_state
                aggregator.deliver(report)
        aggregator.close_round(terms.aggregation)
    return {name: np.asarray(aggregator.model[name]) for name in aggregator.model}
