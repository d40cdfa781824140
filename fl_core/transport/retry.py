"""How often, and how long, a call that failed is tried again."""

from __future__ import annotations

from dataclasses import dataclass

import grpc

AGAIN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        # What a call ends with whose bytes were damaged or whose connection broke in the middle of a message.
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
    }
)
"""Codes after which the same call may succeed. Any other is the aggregator's last word."""

FAULTS = frozenset({grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL})
"""Of these, the codes that tell of a fault and not of a connection that is not there; fewer are borne."""


@dataclass(frozen=True)
class RetryPolicy:
    """Waits that grow, with a part drawn at random so that sites do not come all at once.

    Attributes:
        first_s: Before the second attempt.
        factor: By which each wait is longer than the one before.
        longest_s: No wait is longer; short, so that a site is back soon after the aggregator is.
        jitter: Share of a wait that is drawn at random, 0 to 1.
        gives_up_after_s: Seconds without a success after which the call fails for good.
        faults: Attempts in a row that may end with a fault of the other side (codes UNKNOWN, INTERNAL).
    """

    first_s: float = 0.1
    factor: float = 2.0
    longest_s: float = 2.0
    jitter: float = 0.3
    gives_up_after_s: float = 3600.0
    faults: int = 20

    def wait_s(self, attempt: int, drawn: float) -> float:
        """Return the wait after a failed attempt.

        Args:
            attempt: How many failed so far, from 1.
            drawn: Uniform in [0, 1).

        Example:
            >>> policy = RetryPolicy(jitter=0)
            >>> [policy.wait_s(n, 0.5) for n in (1, 2, 3, 50)]
            [0.1, 0.2, 0.4, 2.0]
        """
        whole = min(self.longest_s, self.first_s * self.factor ** min(attempt - 1, 60))
        return whole * (1 - self.jitter * drawn)
