"""What the rivals' outcomes say: how far FedAvg is from pooled training and from institutions alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from types import MappingProxyType

from benchmarks.report import Measurement
from benchmarks.task1.rivals import FEDAVG, LOCAL, POOLED
from benchmarks.task1.runs import Outcome

TARGETS: Mapping[str, float] = MappingProxyType({"wt": 0.82, "tc": 0.70, "et": 0.65})
"""Validation Dice that FedAvg's best model reaches on the embedded default with every seed."""
TARGET_WALL_S = 180.0
"""Seconds that a run of the embedded default takes at most on two cores."""


@dataclass(frozen=True)
class Standing:
    """The rivals of one seed.

    Attributes:
        fedavg: FedAvg's outcome.
        pooled: That of pooled training.
        locals: Those of the institutions alone.
    """

    fedavg: Outcome
    pooled: Outcome
    locals: tuple[Outcome, ...]

    @property
    def median_local(self) -> float:
        """The median of the institutions' scores."""
        return median(outcome.score for outcome in self.locals)

    @property
    def below_pooled(self) -> float:
        """By how much pooled training is better than FedAvg."""
        return self.pooled.score - self.fedavg.score

    @property
    def above_local(self) -> float:
        """By how much FedAvg is better than the median institution alone."""
        return self.fedavg.score - self.median_local

    @property
    def holds(self) -> bool:
        """Whether pooled >= FedAvg > the median institution alone."""
        return self.below_pooled >= 0 and self.above_local > 0

    @property
    def reaches_targets(self) -> bool:
        """Whether FedAvg's best model reaches `TARGETS`."""
        return all(self.fedavg.dice[region] >= target for region, target in TARGETS.items())


def standing(outcomes: Sequence[Outcome]) -> Standing:
    """Return the standing of one seed's outcomes.

    Raises:
        ValueError: A rival is missing.
    """
    by_name = {outcome.rival: outcome for outcome in outcomes}
    alone = tuple(outcome for outcome in outcomes if outcome.rival.startswith(LOCAL))
    if not alone or not {FEDAVG, POOLED} <= set(by_name):
        raise ValueError(f"a standing needs fedavg, pooled and local models; there are {sorted(by_name)}")
    return Standing(by_name[FEDAVG], by_name[POOLED], alone)


def measurements(standings: Sequence[Standing], against_targets: bool) -> list[Measurement]:
    """Return the cases of the report.

    Args:
        standings: One a seed.
        against_targets: Whether these runs are the embedded default, for which `TARGETS` hold.
    """
    found = [
        Measurement(
            "fedavg-over-pooled",
            median(s.fedavg.score for s in standings),
            "score",
            "pooled training, median over seeds",
            median(s.pooled.score for s in standings),
        ),
        Measurement(
            "fedavg-over-local",
            median(s.fedavg.score for s in standings),
            "score",
            "median institution alone, median over seeds",
            median(s.median_local for s in standings),
        ),
    ]
    if against_targets:
        for region, target in TARGETS.items():
            least = min(s.fedavg.dice[region] for s in standings)
            found.append(Measurement(f"dice-{region}", least, "Dice, worst seed", "target", target))
        wall = median(s.fedavg.wall_s for s in standings)
        found.append(Measurement("wall", wall, "s", "target", TARGET_WALL_S))
    for s in standings:
        seed, score = s.fedavg.seed, s.fedavg.score
        found.append(Measurement(f"peer-pooled-seed-{seed}", score, "score", "pooled", s.pooled.score))
        found.append(Measurement(f"peer-local-seed-{seed}", score, "score", "median local", s.median_local))
    return found
