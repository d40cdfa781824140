"""What a straggler policy is: who has finished and what time it is in, whom to go on without out."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Protocol

from fl_core.errors import PlanError


@dataclass(frozen=True)
class Drop:
    """Go on without these sites; what they hand in later is not taken, and they rejoin in the next round."""

    sites: frozenset[str]
    reason: str


@dataclass(frozen=True)
class Wait:
    """Wait on; ask again at this time at the latest (None: when the next site reports)."""

    until_s: float | None = None


Verdict = Drop | Wait


class StragglerPolicy(Protocol):
    """A pure rule. All times are of one clock that never goes back, in seconds."""

    def verdict(
        self,
        pending: Set[str],
        finished: Set[str],
        opened_s: float,
        first_started_s: float | None,
        now_s: float,
    ) -> Verdict:
        """Tell whether to wait on.

        Args:
            pending: Sites that owe results.
            finished: Sites that owe none any more; a site without tasks is one of them. Sites that failed
                or were lost in this round are in neither set.
            opened_s: When the round was opened.
            first_started_s: When the first site received its tasks; None before.
            now_s: Now.
        """
        ...


def at_least_one(minimum: int, what: str) -> int:
    """Return the minimum.

    Raises:
        PlanError: It is below 1: a round that may go on without anybody trains nothing.
    """
    if minimum < 1:
        raise PlanError(f"{what}: minimum is {minimum}; a round needs at least 1 site")
    return minimum
