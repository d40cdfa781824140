"""The HTTP proxy between a site and the aggregator, as gRPC finds it in the environment."""

from __future__ import annotations

import base64
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from fl_core.errors import InputError

VARIABLES: Final = ("grpc_proxy", "https_proxy", "http_proxy")
EXCEPTIONS: Final = ("no_grpc_proxy", "no_proxy")
_LONGEST_ANSWER: Final = 16 << 10
_PASSING: Final = ("408", "425", "429")  # too late, too early, too often


class ProxyError(InputError):
    """The proxy does not let the site through; the message has its answer."""


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy that is asked with CONNECT.

    Attributes:
        host: Its name or address.
        port: Its port.
        user: For basic authentication; empty for none.
        password: Never shown.
    """

    host: str
    port: int
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        """Return a text without the password."""
        return f"Proxy({self.host}:{self.port})"


def proxy_for(host: str, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that gRPC uses for a host, or None.

    Example:
        >>> proxy_for("aggregator.example", {"https_proxy": "http://me:secret@proxy.example:3128"})
        Proxy(proxy.example:3128)
        >>> proxy_for("a.example", {"https_proxy": "http://p:1", "no_proxy": ".example"}) is None
        True
    """
    for name in EXCEPTIONS:
        entries = [entry.strip() for entry in environment.get(name, "").split(",") if entry.strip()]
        if any(host.endswith(entry) for entry in entries):
            return None
    address = next((environment[name] for name in VARIABLES if environment.get(name)), "")
    if not address:
        return None
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if not parts.hostname:
        return None
    return Proxy(
        parts.hostname, parts.port or 80, unquote(parts.username or ""), unquote(parts.password or "")
    )


def connect(host: str, port: int, proxy: Proxy | None, timeout_s: float) -> socket.socket:
    """Return a connection to the host, through the proxy where there is one.

    Raises:
        OSError: Nobody answers, or the proxy says that nobody does.
        ProxyError: The proxy does not let the site through.
    """
    if proxy is None:
        return socket.create_connection((host, port), timeout_s)
    link = socket.create_connection((proxy.host, proxy.port), timeout_s)
    try:
        lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
        if proxy.user:
            secret = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
            lines.append(f"Proxy-Authorization: Basic {secret}")
        link.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = _head(link)
        status = answer.split(b"\r\n", 1)[0].decode("latin-1")
        if status.split()[1:2] != ["200"]:
            refused = f"the proxy {proxy.host}:{proxy.port} does not connect to {host}:{port}: {status}"
            raise ProxyError(refused) if _is_final(status) else ConnectionError(refused)
        return link
    except BaseException:
        link.close()
        raise


def _is_final(status: str) -> bool:
    """Whether a proxy's answer is about the site; any other tells that nobody answers there (yet)."""
    code = status.split()[1:2]
    return bool(code) and code[0].startswith("4") and code[0] not in _PASSING


def _head(link: socket.socket) -> bytes:
    answer = b""
    while not answer.endswith(b"\r\n\r\n") and len(answer) < _LONGEST_ANSWER:
        byte = link.recv(1)
        if not byte:
            break
        answer += byte
    return answer
