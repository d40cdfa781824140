"""What can happen to a round. The aggregator's rules know nothing else of the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class RoundOpened:
    """A round begins: which tasks each site has. A site without tasks is done at once."""

    round: int
    assignments: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class ResultArrived:
    """A site finished a task.

    Attributes:
        site: Who.
        round: The round in which the site was given the task.
        task: Which.
        samples: The weight of the result (size of the task's data).
        metrics: Means over the samples.
        digest: Of the tensors that came with it; empty where none did.
        staleness: Rounds between receiving the model and this round; 0 is current.
    """

    site: str
    round: int
    task: str
    samples: int
    metrics: Mapping[str, float]
    digest: str = ""
    staleness: int = 0


@dataclass(frozen=True)
class SiteDropped:
    """A site takes no further part in this round (outage, straggler, lost connection)."""

    site: str
    round: int
    reason: str


@dataclass(frozen=True)
class DeadlinePassed:
    """The round's time is over: who has not finished is dropped."""

    round: int


@dataclass(frozen=True)
class ModelScored:
    """The model that a round started with was measured."""

    round: int
    score: float


@dataclass(frozen=True)
class ModelCommitted:
    """The next global model is stored."""

    round: int
    digest: str


Event = RoundOpened | ResultArrived | SiteDropped | DeadlinePassed | ModelScored | ModelCommitted
