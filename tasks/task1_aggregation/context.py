"""What a strategy is told: the sites, the history, and a place to keep its own state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fl_core.seeding import generator


@dataclass(frozen=True)
class SiteInfo:
    """An institution: its name (the Partition_ID as text) and its numbers of cases."""

    name: str
    n_train: int
    n_validate: int


@dataclass(frozen=True)
class SiteRecord:
    """One site in one past round.

    Attributes:
        status: ``ok`` when its update (or validation) arrived, else the reason why not.
        selected: Whether the strategy chose it for training.
        time_s: Its total simulated time in the round, seconds.
        metrics: By name: ``valid_loss``, ``dice_wt`` … of the global model before training;
            the same with the prefix ``local_`` after training; ``loss`` of the training.
            Only what arrived.
    """

    status: str
    selected: bool
    time_s: float
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RoundRecord:
    """One past round: who was selected, what happened, how long it took in simulated seconds."""

    round: int
    selected: tuple[str, ...]
    sites: Mapping[str, SiteRecord]
    round_time_s: float
    simulated_time_s: float


@dataclass
class RoundContext:
    """Handed to each call of a strategy.

    Attributes:
        round: The current round, from 0.
        rounds: How many rounds the run is to have.
        horizon_s: Simulated seconds over which convergence is scored.
        sites: All institutions, in name order.
        history: The rounds before this one.
        selected: The sites of this round (empty while they are being selected).
        times: Simulated seconds of each site in this round (only for ``aggregate``).
        reports: This round's site records (only for ``aggregate``).
        state: Arrays and plain values that survive from call to call and a resume.
        seed: The run's seed; use `rng`, which differs for every round and function.
        function: The name of the function being called.
    """

    round: int
    rounds: int
    horizon_s: float
    sites: tuple[SiteInfo, ...]
    history: tuple[RoundRecord, ...] = ()
    selected: tuple[str, ...] = ()
    times: Mapping[str, float] = field(default_factory=dict)
    reports: Mapping[str, SiteRecord] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    function: str = ""

    def __post_init__(self) -> None:
        self.rng: np.random.Generator = generator(self.seed, "strategy", self.function, self.round)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all sites, in order."""
        return tuple(site.name for site in self.sites)

    def site(self, name: str) -> SiteInfo:
        """Return the site of that name.

        Raises:
            KeyError: There is no such site.
        """
        for site in self.sites:
            if site.name == name:
                return site
        raise KeyError(f"no site is called {name!r}; the sites are {', '.join(self.names)}")
