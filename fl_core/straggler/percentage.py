"""The percentage policy: a share of the sites is enough."""

from __future__ import annotations

import math
from collections.abc import Set

from fl_core.errors import PlanError
from fl_core.straggler.base import Drop, Verdict, Wait, at_least_one


class Percentage:
    """Goes on as soon as a share of the sites, and a minimum of them, have finished.

    The share is of the sites still in the round: those that failed or were lost do not count. Where the
    minimum is more than there are sites, the round ends when all have finished, failed or been lost.

    Args:
        share: Of the sites, above 0 and up to 1.
        minimum: Sites that must have finished whatever the share; a site without tasks counts.

    Raises:
        PlanError: The share is outside (0, 1], or the minimum below 1.

    Example:
        >>> policy = Percentage(0.5, minimum=1)
        >>> policy.verdict({"a", "b"}, {"c"}, 0.0, 0.0, 1.0)
        Wait(until_s=None)
        >>> sorted(policy.verdict({"a", "b"}, {"c", "d"}, 0.0, 0.0, 1.0).sites)
        ['a', 'b']
    """

    def __init__(self, share: float, minimum: int = 1) -> None:
        if not 0 < share <= 1:
            raise PlanError(f"Percentage: share is {share}; give a number above 0 and up to 1")
        self.share = share
        self.minimum = at_least_one(minimum, "Percentage")

    def verdict(
        self,
        pending: Set[str],
        finished: Set[str],
        opened_s: float,
        first_started_s: float | None,
        now_s: float,
    ) -> Verdict:
        """Drop the pending sites once enough have finished."""
        if not pending:
            return Wait()
        total = len(pending) + len(finished)
        # 0.7 of 10 is 7, though the product of the floats is a trace above it.
        needed = max(self.minimum, math.ceil(self.share * total - 1e-9))
        if len(finished) < needed:
            return Wait()
        return Drop(frozenset(pending), f"straggler: {len(finished)} of {total} sites were enough")
