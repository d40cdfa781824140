"""What a lead knows of its federation before it begins: the plan, with its parts built."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fl_core.aggregation.base import Aggregation
from fl_core.aggregation.weighted_mean import WeightedMean
from fl_core.aggregator.rounds import Rules
from fl_core.assigner.base import Assigner
from fl_core.collaborator.settings import CollaboratorSettings, OptTreatment
from fl_core.compression.exchange import Exchange
from fl_core.straggler.base import StragglerPolicy
from fl_core.straggler.wait_for_all import WaitForAll


@dataclass(frozen=True)
class Terms:
    """What all parties agreed on.

    Attributes:
        plan_hash: Of the frozen plan.
        rounds: How many train.
        collaborator: The plan's tasks, and how collaborators treat optimizers and deltas.
        assigner: Gives each site its tasks.
        aggregation: Makes the next model.
        straggler: How long a round waits.
        min_updates: With fewer updates, a round leaves the model as it is.
        best_metric: Metric of the global model's validation by which the best model is chosen.
        best_direction: Whether a higher or a lower value of it is better.
        db_store_rounds: Models kept in the state folder; -1 keeps all.
        compression: How models and updates travel; lossless by default.
    """

    plan_hash: str
    rounds: int
    collaborator: CollaboratorSettings
    assigner: Assigner
    aggregation: Aggregation = field(default_factory=WeightedMean)
    straggler: StragglerPolicy = field(default_factory=WaitForAll)
    min_updates: int = 1
    best_metric: str = "accuracy"
    best_direction: Literal["higher", "lower"] = "higher"
    db_store_rounds: int = 2
    compression: Exchange | None = None

    @property
    def rules(self) -> Rules:
        """The aggregator's rules."""
        return Rules(self.best_direction)

    @property
    def exchange(self) -> Exchange:
        """How models and updates travel."""
        settings = self.collaborator
        return self.compression or Exchange(settings.seed, delta_updates=settings.delta_updates)

    @property
    def averages_optimizers(self) -> bool:
        """Whether sites send their optimizer's arrays, and start from the mean of all."""
        return self.collaborator.opt_treatment is OptTreatment.CONTINUE_GLOBAL

    @property
    def last_round(self) -> int:
        """The last round that a federation may have: where there is training, that after it validates."""
        tasks = self.collaborator.tasks
        closes = any(map(self.trains, tasks)) and any(map(self.validates_globally, tasks))
        return self.rounds if closes else self.rounds - 1

    def validates_globally(self, task: str) -> bool:
        """Return whether a task measures the model that the round started with."""
        spec = self.collaborator.tasks.get(task)
        return spec is not None and spec.function == "validate" and spec.apply == "global"

    def trains(self, task: str) -> bool:
        """Return whether a task changes the model."""
        spec = self.collaborator.tasks.get(task)
        return spec is not None and spec.function == "train"

    def tasks_of(self, round: int, sites: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """Return each site's tasks in a round.

        In the round after the last only the global model is validated: by the sites that the assigner
        gives such a task, or, where it gives it to nobody, by all sites.
        """
        assigned = self.assigner.assign(round, sites)
        if round < self.rounds:
            return assigned
        kept = {
            site: tuple(task for task in tasks if self.validates_globally(task))
            for site, tasks in assigned.items()
        }
        if any(kept.values()):
            return kept
        closing = tuple(task for task in self.collaborator.tasks if self.validates_globally(task))
        return dict.fromkeys(sites, closing)
