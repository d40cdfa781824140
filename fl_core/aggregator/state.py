"""The aggregator's state: one explicit value, serialisable at any instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from fl_core.aggregator.events import ResultArrived


class Phase(StrEnum):
    """Where a round stands."""

    IDLE = "idle"
    COLLECTING = "collecting"
    AGGREGATING = "aggregating"


@dataclass(frozen=True)
class Best:
    """The best model so far. The initial one is the first best; its score may still be unknown."""

    round: int = 0
    digest: str = ""
    score: float | None = None


@dataclass(frozen=True)
class AggregatorState:
    """Everything the rules remember.

    Attributes:
        round: The current round, from 0.
        phase: Where it stands.
        model: Digest of the global model of this round.
        assignments: This round's tasks by site.
        results: This round's results, by site and task.
        dropped: Reason by site that takes no further part in this round.
        best: The best model so far.
    """

    round: int = 0
    phase: Phase = Phase.IDLE
    model: str = ""
    assignments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    results: Mapping[str, Mapping[str, ResultArrived]] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)
    best: Best = field(default_factory=Best)

    def pending(self) -> tuple[str, ...]:
        """Return the sites that still owe a result, in name order."""
        return tuple(
            sorted(
                site
                for site, tasks in self.assignments.items()
                if site not in self.dropped and set(tasks) - set(self.results.get(site, {}))
            )
        )

    def finished(self) -> tuple[str, ...]:
        """Return the sites that delivered every task they had, in name order."""
        return tuple(
            sorted(
                site
                for site, tasks in self.assignments.items()
                if site not in self.dropped and tasks and set(tasks) <= set(self.results.get(site, {}))
            )
        )

    def to_plain(self) -> dict[str, Any]:
        """Return plain values (JSON) from which `from_plain` makes an equal state."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> AggregatorState:
        """Rebuild a state from `to_plain`.

        Example:
            >>> state = AggregatorState(round=3, best=Best(2, "sha256:00", 0.5))
            >>> AggregatorState.from_plain(state.to_plain()) == state
            True
        """
        results = {
            site: {task: ResultArrived(**result) for task, result in tasks.items()}
            for site, tasks in plain["results"].items()
        }
        assignments = {site: tuple(tasks) for site, tasks in plain["assignments"].items()}
        return cls(
            round=plain["round"],
            phase=Phase(plain["phase"]),
            model=plain["model"],
            assignments=assignments,
            results=results,
            dropped=dict(plain["dropped"]),
            best=Best(**plain["best"]),
        )
