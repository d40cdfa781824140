"""Who was refused before any call: TLS handshakes that failed, with the peer and the reason.

gRPC's core judges certificates by itself and tells of it on file descriptor 2 only. Made to tell more (its
tracer ``handshaker``), its lines hold the peer's address; here they are read, and become one line a refusal.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, TextIO
from urllib.parse import unquote

log = logging.getLogger(__name__)

TRACER: Final = "handshaker"
PER_REASON: Final = 5
"""Lines for one reason in `WINDOW_S` seconds; further ones are counted."""
WINDOW_S: Final = 10.0
_TICK_S: Final = 1.0
_LONGEST: Final = 1 << 16
_PIPE_BYTES: Final = 1 << 20

_GRPC: Final = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ([\w.]+):\d+\] (.*)")
_PEER: Final = re.compile(r"endpoint_peer_address=(?:ipv[46]:)?([^,}]+)")
_OURS: Final = {"handshaker.cc", "channel_trace.h", "ssl_transport_security.cc", "trace.cc"}
_TLS: Final = re.compile(r"OPENSSL_internal:(\w+)(?:: ([^\n]*?))?(?:: OK)?$")
_REASONS: Final = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no client certificate",
    "HTTP_REQUEST": "it speaks plain HTTP, not TLS",
    "HTTPS_PROXY_REQUEST": "it speaks plain HTTP, not TLS",
    "WRONG_VERSION_NUMBER": "it does not speak TLS",
    "UNEXPECTED_RECORD": "it does not speak TLS",
    "UNSUPPORTED_PROTOCOL": "it speaks only a version of TLS that is too old",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not know the authority that signed this aggregator's certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not accept this aggregator's certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept this aggregator's certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it finds this aggregator's certificate expired",
}
_VERIFY: Final = {
    "certificate has expired": "its certificate has expired",
    "certificate is not yet valid": "its certificate is not yet valid",
    "unable to get local issuer certificate": "its certificate was signed by an unknown authority",
    "unable to verify the first certificate": "its certificate was signed by an unknown authority",
    "self signed certificate": "its certificate is self-signed",
    "self signed certificate in certificate chain": "its certificate was signed by an unknown authority",
}


@dataclass(frozen=True)
class Refusal:
    """A connection that did not get through its handshake."""

    peer: str
    reason: str


def reason_of(error: str) -> str:
    """Return in plain words why a handshake failed.

    Example:
        >>> reason_of("SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: certificate has expired: OK")
        'its certificate has expired'
        >>> reason_of("SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER: Invalid ... context: OK")
        'it does not speak TLS'
    """
    found = _TLS.search(error)
    if found is None:
        if "Socket closed" in error or "Connection reset" in error or "Broken pipe" in error:
            return "it hung up during the TLS handshake"
        if "Endpoint closing" in error or "timed out" in error.lower():
            return "it did not finish the TLS handshake in time"
        return f"the TLS handshake failed ({error.strip()[:200]})"
    code, detail = found.group(1), (found.group(2) or "").strip()
    if code == "CERTIFICATE_VERIFY_FAILED":
        return _VERIFY.get(detail, f"its certificate is not valid: {detail[:200]}")
    return _REASONS.get(code, f"the TLS handshake failed ({code.lower().replace('_', ' ')})")


@dataclass
class HandshakeReader:
    """Takes gRPC's lines on handshakes out of a stream of lines.

    Example:
        >>> reader = HandshakeReader()
        >>> reader.take("something else")
        'something else'
    """

    _error: str | None = None
    _inside: bool = False

    def take(self, line: str) -> str | Refusal | None:
        """Return a line of somebody else, a refusal once it is complete, or None."""
        found = _GRPC.match(line)
        if found is None:
            return self._continued(line) if self._inside else line
        source, text = found.groups()
        self._inside = source in _OURS
        if not self._inside:
            return line
        if source == "handshaker.cc" and "error=" in text and "error=OK" not in text:
            self._error = text.partition("error=")[2]
            return self._complete(text)
        return None

    def _continued(self, line: str) -> str | Refusal | None:
        """Take a line that belongs to the one before: gRPC's errors go over several."""
        if line.startswith("=== Source Location Trace") or line.startswith("src/") or not line.strip():
            return None
        if line.lstrip().startswith("shutdown=") and self._error is not None:
            return self._complete(line)
        return None if line.lstrip().startswith("shutdown=") else line

    def _complete(self, text: str) -> Refusal | None:
        peer = _PEER.search(text)
        if self._error is None or peer is None:
            return None
        refusal = Refusal(unquote(peer.group(1)), reason_of(self._error))
        self._error = None
        return refusal


@dataclass
class Thinned:
    """Lets a few refusals for each reason through in a while, and counts the others.

    Attributes:
        tell: Takes a line.
        clock: Seconds, rising.
        what: What is counted.
    """

    tell: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    what: str = "connections"
    _windows: dict[str, tuple[float, int]] = field(default_factory=dict)

    def add(self, refusal: Refusal, kind: str = "") -> None:
        """Tell of a refusal, or count it.

        Args:
            refusal: Who, and why.
            kind: What is counted together, where reasons may be as many as there are refusals.
        """
        self.tick()
        kind = kind or refusal.reason
        since, count = self._windows.get(kind, (self.clock(), 0))
        self._windows[kind] = (since, count + 1)
        if count < PER_REASON:
            self.tell(f"refused: {refusal.peer}: {refusal.reason}")

    def tick(self, *, over: bool = False) -> None:
        """Tell how many were counted and not told, once their time is over."""
        now = self.clock()
        for kind, (since, count) in list(self._windows.items()):
            if now - since >= WINDOW_S or over:
                del self._windows[kind]
                if count > PER_REASON:
                    more = f"{count - PER_REASON} more {self.what}"
                    self.tell(f"refused: {more} in {now - since:.0f} s: {kind}")


class HandshakeLog:
    """Reads what is written to file descriptor 2 while it is open. Enter it before gRPC is imported.

    Python's own standard error, and the loggers that write to it, go around it, straight to `terminal`.

    Args:
        tell: Takes a line on a refusal; by default a warning in the log.

    Attributes:
        terminal: What descriptor 2 was before.
    """

    def __init__(self, tell: Callable[[str], None] = log.warning) -> None:
        self.terminal: TextIO
        self._thinned = Thinned(tell)
        self._reader = HandshakeReader()

    def __enter__(self) -> Self:
        # The tracer is read once, when gRPC's core starts; whoever set tracers wants to see them.
        os.environ.setdefault("GRPC_TRACE", TRACER)
        self._saved = os.dup(2)
        self.terminal = os.fdopen(os.dup(self._saved), "w", buffering=1, errors="replace")
        source, sink = os.pipe()
        if hasattr(
            fcntl, "F_SETPIPE_SZ"
        ):  # Linux only; elsewhere, or where it is too large, the default does
            with contextlib.suppress(OSError):
                fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        sys.stderr.flush()
        os.dup2(sink, 2)
        os.close(sink)
        self._python = contextlib.ExitStack()
        self._python.enter_context(standard_error(self.terminal))
        self._thread = threading.Thread(target=self._read, args=(source,), name="handshakes", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.dup2(self._saved, 2)  # the pipe's last writer, unless a child process holds one
        os.close(self._saved)
        self._thread.join(1.0)
        self._thinned.tick(over=True)
        self._python.close()

    def _read(self, source: int) -> None:
        with os.fdopen(source, "rb", buffering=0) as pipe:
            rest = b""
            while True:
                if not select.select([pipe], [], [], _TICK_S)[0]:
                    self._thinned.tick()
                    continue
                block = pipe.read(_LONGEST)
                if not block:
                    break
                *lines, rest = (rest + block).split(b"\n")
                if len(rest) > _LONGEST:
                    lines, rest = [*lines, rest], b""
                for line in lines:
                    self._take(line.decode(errors="replace"))
            if rest:
                self._take(rest.decode(errors="replace"))

    def _take(self, line: str) -> None:
        match self._reader.take(line):
            case Refusal() as refusal:
                self._thinned.add(refusal)
            case str(text):
                sys.stderr.write(f"{text}\n")


@contextlib.contextmanager
def standard_error(stream: TextIO) -> Iterator[None]:
    """Let Python's standard error, and the loggers that write to it, write to another stream."""
    before = sys.stderr
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is before
    ]
    sys.stderr = stream
    for handler in handlers:
        handler.setStream(stream)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(before)
        sys.stderr = before
