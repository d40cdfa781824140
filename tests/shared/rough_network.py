"""Networks between a site and the aggregator that lose, hold, slow down and damage what they carry.

A `RoughNetwork` listens on a port of its own and carries bytes to another one. What it does to them is a
`Treatment`: a function that looks at each block and passes it on, or raises.
"""

from __future__ import annotations

import base64
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

BLOCK = 1 << 14


class Broken(Exception):
    """The connection is cut."""


class HalfClosed(Exception):
    """The connection is closed in this direction only."""


@dataclass
class Flow:
    """One connection, as its treatment sees it.

    Attributes:
        connection: Its number, from 0.
        stopped: Set when the network is taken down; waits end.
        down: Whether the block at hand goes to the site.
        passed: Bytes that went before, both ways.
    """

    connection: int
    stopped: threading.Event
    down: bool = False
    passed: int = 0


Treatment = Callable[[Flow, bytes], bytes]


def calm(flow: Flow, block: bytes) -> bytes:
    return block


def cut(after: int, connections: int = 1 << 30) -> Treatment:
    """Cut each of the first connections after so many bytes."""

    def treat(flow: Flow, block: bytes) -> bytes:
        if flow.connection < connections and flow.passed + len(block) > after:
            raise Broken
        return block

    return treat


def stall(after: int, seconds: float = 3600.0, connections: int = 1) -> Treatment:
    """Hold what the first connections carry beyond so many bytes, for good or for a while."""
    held: set[int] = set()

    def treat(flow: Flow, block: bytes) -> bytes:
        if flow.connection < connections and flow.connection not in held and flow.passed > after:
            held.add(flow.connection)
            flow.stopped.wait(seconds)
        return block

    return treat


def throttle(bytes_per_s: float) -> Treatment:
    def treat(flow: Flow, block: bytes) -> bytes:
        flow.stopped.wait(len(block) / bytes_per_s)
        return block

    return treat


def corrupt(after: int, connections: int) -> Treatment:
    """Flip a bit in a block of each of the first connections."""
    done: set[int] = set()

    def treat(flow: Flow, block: bytes) -> bytes:
        if flow.connection >= connections or flow.connection in done or flow.passed <= after:
            return block
        done.add(flow.connection)
        place = (7919 * (flow.connection + 1)) % len(block)
        return block[:place] + bytes([block[place] ^ 0x10]) + block[place + 1 :]

    return treat


def half_close(after: int, connections: int, down: bool) -> Treatment:
    """Close the first connections in one direction."""

    def treat(flow: Flow, block: bytes) -> bytes:
        if flow.connection < connections and flow.down == down and flow.passed > after:
            raise HalfClosed
        return block

    return treat


Opening = Callable[[socket.socket], socket.socket]
"""Takes what a site opened and returns the connection to carry its bytes on."""


def straight_to(port: int) -> Opening:
    return lambda site: socket.create_connection(("127.0.0.1", port), 5)


@dataclass
class Asked:
    """What an HTTP proxy was asked: the request lines, and whether it let the site through."""

    lines: list[tuple[str, bool]] = field(default_factory=list)


def http_connect(asked: Asked, user: str = "", password: str = "") -> Opening:
    """An HTTP proxy that is asked with CONNECT; with a user, it wants basic authentication."""
    wanted = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"

    def opening(site: socket.socket) -> socket.socket:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = site.recv(1)
            if not byte:
                raise OSError("it hung up")
            head += byte
        lines = head.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        allowed = not user or fields.get("Proxy-Authorization") == wanted
        asked.lines.append((lines[0], allowed))
        if not allowed:
            site.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            raise OSError("not let through")
        host, _, port = lines[0].split()[1].rpartition(":")
        try:
            onward = socket.create_connection((host, int(port)), 5)
        except OSError:
            site.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            raise
        site.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return onward

    return opening


def inspecting(context: ssl.SSLContext) -> Opening:
    """A gateway that opens TLS with a certificate of its own."""

    def opening(site: socket.socket) -> socket.socket:
        with context.wrap_socket(site.dup(), server_side=True) as secure:
            secure.recv(1)
        raise OSError("a client that believed the gateway is none of ours")

    return opening


class RoughNetwork:
    """Carries connections until it is left.

    Args:
        onward: A port on loopback, or how the connection onward is made.
        treatment: What happens to the bytes.
        idle_s: Cut a connection that carries nothing for so long.
    """

    def __init__(self, onward: int | Opening, treatment: Treatment = calm, idle_s: float = 0.0) -> None:
        self._opening = straight_to(onward) if isinstance(onward, int) else onward
        self.treatment = treatment
        self._idle_s = idle_s
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._lock = threading.Lock()
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.idle_cuts = 0
        self.up_bytes = 0
        self.down_bytes = 0

    @property
    def target(self) -> str:
        return f"localhost:{self.port}"

    def __enter__(self) -> Self:
        self._listener.settimeout(0.1)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                site, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            flow = Flow(self.connections, self._stopped)
            self.connections += 1
            threading.Thread(target=self._carry, args=(site, flow), daemon=True).start()

    def _carry(self, site: socket.socket, flow: Flow) -> None:
        with site:
            site.setblocking(True)
            try:
                onward = self._opening(site)
            except OSError:
                return
            with onward, suppress(Broken, OSError):
                onward.setblocking(True)
                self._pump(site, onward, flow)

    def _pump(self, site: socket.socket, onward: socket.socket, flow: Flow) -> None:
        open_ends, last = {site: onward, onward: site}, time.monotonic()
        while open_ends and not self._stopped.is_set():
            for source in select.select(list(open_ends), [], [], 0.05)[0]:
                block, last = source.recv(BLOCK), time.monotonic()
                sink = open_ends[source]
                flow.down = source is onward
                try:
                    if not block:
                        raise HalfClosed
                    treated = self.treatment(flow, block)
                except HalfClosed:
                    del open_ends[source]
                    sink.shutdown(socket.SHUT_WR)
                    continue
                self._count(flow, len(treated))
                sink.sendall(treated)
            if self._idle_s and time.monotonic() - last > self._idle_s:
                self.idle_cuts += 1
                raise Broken

    def _count(self, flow: Flow, count: int) -> None:
        flow.passed += count
        with self._lock:
            if flow.down:
                self.down_bytes += count
            else:
                self.up_bytes += count
