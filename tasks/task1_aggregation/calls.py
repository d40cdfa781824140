"""The contexts that a strategy's functions are called with; a run and its replay make the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tasks.task1_aggregation.context import RoundContext, RoundRecord, SiteInfo

Function = Literal["select_sites", "configure_round", "aggregate"]


@dataclass(frozen=True)
class Calls:
    """Makes contexts of one run.

    Attributes:
        seed: The run's seed.
        horizon_s: Simulated seconds over which convergence is scored.
        sites: The institutions, in name order.
    """

    seed: int
    horizon_s: float
    sites: tuple[SiteInfo, ...]

    def context(
        self,
        function: Function,
        rounds: int,
        history: tuple[RoundRecord, ...],
        selected: tuple[str, ...] = (),
        record: RoundRecord | None = None,
    ) -> RoundContext:
        """Return the context of a call in the round after `history`.

        Args:
            function: Which function is called.
            rounds: How many rounds the run is to have.
            history: The rounds before this one.
            selected: The sites of this round, once they are chosen.
            record: What happened in this round, for ``aggregate``.
        """
        return RoundContext(
            round=len(history),
            rounds=rounds,
            horizon_s=self.horizon_s,
            sites=self.sites,
            history=history,
            selected=selected,
            times={name: site.time_s for name, site in record.sites.items()} if record else {},
            reports=record.sites if record else {},
            seed=self.seed,
            function=function,
        )
