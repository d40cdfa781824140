"""The cutoff policy: a time for all, after which a minimum is enough."""

from __future__ import annotations

import math
from collections.abc import Set

from fl_core.errors import PlanError
from fl_core.straggler.base import Drop, Verdict, Wait, at_least_one


class Cutoff:
    """Before the cutoff all sites must report; after it the minimum is enough.

    The clock starts when the first site receives its tasks. With fewer finishers than the minimum at the
    cutoff (also with none) the round goes on until there are enough; the others are dropped then.

    Args:
        cutoff_s: Seconds.
        minimum: Sites that must have finished; a site without tasks counts.

    Raises:
        PlanError: The cutoff is no positive time, or the minimum below 1.

    Example:
        >>> policy = Cutoff(60, minimum=1)
        >>> policy.verdict({"a"}, {"b"}, 0.0, 5.0, 64.9)
        Wait(until_s=65.0)
        >>> policy.verdict({"a"}, {"b"}, 0.0, 5.0, 65.0).sites
        frozenset({'a'})
        >>> policy.verdict({"a", "b"}, set(), 0.0, 5.0, 99.0)
        Wait(until_s=None)
    """

    def __init__(self, cutoff_s: float, minimum: int = 1) -> None:
        if not (math.isfinite(cutoff_s) and cutoff_s > 0):
            raise PlanError(f"Cutoff: cutoff_s is {cutoff_s}; give a positive number of seconds")
        self.cutoff_s = cutoff_s
        self.minimum = at_least_one(minimum, "Cutoff")

    def verdict(
        self,
        pending: Set[str],
        finished: Set[str],
        opened_s: float,
        first_started_s: float | None,
        now_s: float,
    ) -> Verdict:
        """Drop the pending sites once the time is over and the minimum has finished."""
        if not pending or first_started_s is None:
            return Wait()
        over_s = first_started_s + self.cutoff_s
        if now_s < over_s:
            return Wait(over_s)
        if len(finished) < self.minimum:
            return Wait()
        return Drop(frozenset(pending), f"straggler: not done {self.cutoff_s:g} s after the round's start")
