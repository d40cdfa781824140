"""Trying again: what is counted between two attempts, and when it is enough."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import grpc

from fl_core.transport.errors import ConnectionClosed, GaveUp, Refused
from fl_core.transport.retry import AGAIN, FAULTS, RetryPolicy
from fl_core.transport.wire import MessageError

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


@dataclass
class Failures:
    """Failures in a row.

    Attributes:
        count: How many.
        faults: How many of them were the other side's fault, or damage on the way.
        since: When the first was.
    """

    count: int = 0
    faults: int = 0
    since: float = 0.0


@dataclass
class Attempts:
    """Runs calls until they succeed, by one policy.

    Attributes:
        policy: How often, with which waits.
        explain: Tells why trying again is of no use after an error; empty where it is of use.
        draw: Uniform numbers in [0, 1), for the waits.
        clock: Seconds, rising.
        closed: Set when the connection is closed; waits end at once.
    """

    policy: RetryPolicy
    explain: Callable[[grpc.RpcError], str] = lambda error: ""
    draw: Callable[[], float] = lambda: 0.5
    clock: Callable[[], float] = time.monotonic
    closed: threading.Event = field(default_factory=threading.Event)

    def run(
        self, what: str, attempt: Callable[[], Answer], progress: Callable[[], int] = lambda: 0
    ) -> Answer:
        """Return what an attempt returns at last.

        Args:
            what: The call's name, for the log.
            attempt: Makes one call.
            progress: Rises as the attempts get on; a failure after progress is the first of a new row.

        Raises:
            Refused: The aggregator's last word.
            GaveUp: It took too long.
            ConnectionClosed: The connection was closed meanwhile.
        """
        failures = Failures()
        while True:
            before = progress()
            try:
                if self.closed.is_set():
                    raise ConnectionClosed("the connection was closed")
                return attempt()
            except (grpc.RpcError, MessageError) as error:
                if progress() > before:
                    failures = Failures()
                self.wait_after(what, error, failures)

    def wait_after(self, what: str, error: grpc.RpcError | MessageError, failures: Failures) -> None:
        """Count a failure and wait until the next attempt.

        Raises:
            Refused, GaveUp, ConnectionClosed: See `run`.
        """
        if self.closed.is_set():
            raise ConnectionClosed("the connection was closed") from error
        code, details = _code_of(error), _details_of(error)
        if isinstance(error, grpc.RpcError):
            final = self.explain(error) or (details if code not in AGAIN else "")
            if final:
                raise Refused(final) from error
        now = self.clock()
        failures.count += 1
        failures.faults += code in FAULTS
        failures.since = failures.since if failures.count > 1 else now
        if failures.faults > self.policy.faults:
            raise GaveUp(
                f"{what}: failed {failures.faults} times in a row, at last with: {details}"
            ) from error
        if now - failures.since > self.policy.gives_up_after_s:
            raise GaveUp(
                f"{what}: the aggregator could not be reached for {now - failures.since:.0f} s: {details}"
            ) from error
        wait_s = self.policy.wait_s(failures.count, self.draw())
        log.warning(
            "%s failed (%s: %s); attempt %d in %.1f s", what, code.name, details, failures.count + 1, wait_s
        )
        if self.closed.wait(wait_s):
            raise ConnectionClosed("the connection was closed") from error


def _code_of(error: grpc.RpcError | MessageError) -> grpc.StatusCode:
    code = getattr(error, "code", None)
    return code() if callable(code) else grpc.StatusCode.INTERNAL


def _details_of(error: grpc.RpcError | MessageError) -> str:
    details = getattr(error, "details", None)
    text = details() if callable(details) else str(error)
    return " ".join((text or "no details").split())[:600]
