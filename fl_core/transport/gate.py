"""Who may call: the name in the client certificate, if it is on the list and not revoked."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import grpc

from fl_core.errors import FederationError
from fl_core.transport.handshake_log import Refusal, Thinned

log = logging.getLogger(__name__)


class Identity(Protocol):
    """Whose certificate it is."""

    @property
    def name(self) -> str:
        """The subject's common name."""
        ...

    @property
    def serial(self) -> int:
        """The certificate's serial number."""
        ...


class CallRefused(FederationError):
    """A call that is not served.

    Attributes:
        code: What the caller's library is told beside the reason.
    """

    def __init__(self, code: grpc.StatusCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Gate:
    """Lets the calls of authorised sites in, a bounded number at a time.

    Args:
        identify: Reads a certificate (PEM) and checks what TLS does not: dates and the use it was made for.
            Raises a `FederationError` with the reason where something is wrong.
        authorised: Returns the names that may take part now.
        revoked: Whether a serial number was taken back; asked at every call.
        calls: How many calls of one site may be open at a time.
    """

    def __init__(
        self,
        identify: Callable[[bytes], Identity],
        authorised: Callable[[], Container[str]],
        revoked: Callable[[int], bool],
        calls: int,
    ) -> None:
        self._identify = identify
        self._authorised = authorised
        self._revoked = revoked
        self._calls = calls
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._thinned = Thinned(log.warning, what="calls")

    @contextmanager
    def enter(self, context: Any, method: str) -> Iterator[str]:
        """Yield the caller's name while its call is served.

        Raises:
            CallRefused: It may not call, or has too many calls open. The reason is logged.
        """
        name = ""
        try:
            name = self.check(context)
            with self._counted(name):
                yield name
        except CallRefused as refused:
            self.note(context, method, refused, name)
            raise

    def note(self, context: Any, method: str, refused: CallRefused, name: str = "") -> None:
        """Log a refusal; of many for one caller, method and code only some, and how many there were."""
        caller = f"{name} at {context.peer()}" if name else context.peer()
        kind = f"{method} of {name or 'callers without a place here'}: {refused.code.name}"
        with self._lock:
            self._thinned.add(Refusal(f"{method} of {caller}", str(refused)), kind)

    def tick(self) -> None:
        """Log how many refusals were counted and not logged, once their time is over."""
        with self._lock:
            self._thinned.tick()

    def check(self, context: Any) -> str:
        """Return the caller's name.

        Raises:
            CallRefused: It may not call, or may no longer.
        """
        return self._name(context.auth_context())

    def _name(self, peer: Mapping[str, list[bytes]]) -> str:
        pem = peer.get("x509_pem_cert", [b""])[0]
        if not pem:
            raise CallRefused(grpc.StatusCode.UNAUTHENTICATED, "no client certificate")
        try:
            identity = self._identify(pem)
        except FederationError as error:
            raise CallRefused(grpc.StatusCode.UNAUTHENTICATED, str(error)) from error
        if self._revoked(identity.serial):
            raise CallRefused(
                grpc.StatusCode.UNAUTHENTICATED,
                f"the certificate of {identity.name} (serial {identity.serial:x}) was revoked; "
                "ask for a new one",
            )
        if identity.name not in self._authorised():
            raise CallRefused(
                grpc.StatusCode.PERMISSION_DENIED,
                f"{identity.name!r} is not on the aggregator's list of collaborators; "
                f"its operator adds a name by certifying it",
            )
        return identity.name

    @contextmanager
    def _counted(self, name: str) -> Iterator[None]:
        with self._lock:
            if self._open[name] >= self._calls:
                raise CallRefused(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"{name} has {self._calls} calls open; no more are served",
                )
            self._open[name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[name] -= 1
