"""The convergence score: how good the best model was, on average over the horizon of simulated time."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

WEEK_S = 604800.0
"""The horizon of the FeTS 2022 challenge: one week, in seconds."""


@dataclass(frozen=True)
class ConvergenceState:
    """The score so far; plain numbers, so that a checkpoint can hold it.

    The formula is the FeTS 2022 challenge's. With ``best_r = max(best_{r-1}, score_r)``,
    ``A_r = sum best_i * round_time_i`` and ``T_r = sum round_time_i`` over the rounds up to r, and the
    horizon W::

        convergence_r = ((W - T_r) * best_r + A_r) / W

    the area under the step function of the best score on [0, W], divided by W: a score counts from the
    start of its round, and the last best is carried forward to the horizon. When a round ends past the
    horizon, the (then negative) first term takes off exactly what lies beyond.

    The best before any score is -1, as in the challenge. Round 0 is always scored and so defines it; only
    a first model without a finite score is credited with -1.

    Attributes:
        best: The best score so far.
        area_s: A, in seconds times score.
        elapsed_s: T, in seconds.
        held: The best during the last stretch of time: a model that is scored after the horizon is
            over earns nothing any more, so this is what the part beyond is taken off with.

    Example:
        >>> state = ConvergenceState()
        >>> for score, seconds in [(0.5, 200000), (0.7, 250000), (0.6, 300000)]:
        ...     state = state.advance(score, seconds)
        >>> round(state.score(WEEK_S), 6)
        0.633862
    """

    best: float = -1.0
    area_s: float = 0.0
    elapsed_s: float = 0.0
    held: float = -1.0

    def advance(self, score: float | None, round_time_s: float) -> ConvergenceState:
        """Return the state after a round.

        Args:
            score: Of the model that the round started with; None, NaN and infinities never improve.
            round_time_s: The round's simulated seconds; 0 for the last model, which starts no round.

        Raises:
            ValueError: The time is negative or not finite.
        """
        if not math.isfinite(round_time_s) or round_time_s < 0:
            raise ValueError(f"a round takes a finite time that is not negative, got {round_time_s} s")
        best = self.best if score is None or not math.isfinite(score) else max(self.best, float(score))
        if round_time_s == 0:
            return replace(self, best=best)
        return ConvergenceState(
            best, self.area_s + best * round_time_s, self.elapsed_s + round_time_s, held=best
        )

    def score(self, horizon_s: float) -> float:
        """Return the convergence score on [0, `horizon_s`].

        The run must end with the first round that ends past the horizon, as Task 1's does; of rounds that
        begin past it the state could not tell what they began with.

        Raises:
            ValueError: The horizon is not positive and finite.
        """
        if not math.isfinite(horizon_s) or horizon_s <= 0:
            raise ValueError(f"the horizon must be finite and positive, got {horizon_s} s")
        carried = self.best if self.elapsed_s <= horizon_s else self.held
        return ((horizon_s - self.elapsed_s) * carried + self.area_s) / horizon_s
