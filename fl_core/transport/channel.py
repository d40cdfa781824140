"""A site's channel to the aggregator: one long-lived connection over mutual TLS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import grpc

_LARGEST: Final = (64 << 20) + (1 << 16)


@dataclass(frozen=True)
class SiteCredentials:
    """What a site shows and whom it believes, as PEM.

    Attributes:
        key: Private key.
        chain: Its certificate, and those between it and the root.
        roots: Certificates that sign the aggregator's certificate.
    """

    key: bytes
    chain: bytes
    roots: bytes

    def __repr__(self) -> str:
        """Return a text without the key."""
        return "SiteCredentials(...)"


def open_channel(target: str, credentials: SiteCredentials) -> grpc.Channel:
    """Return a channel to ``host:port``.

    A proxy named by ``https_proxy`` or ``grpc_proxy`` (``http://user:password@host:port``) is asked with HTTP
    CONNECT; ``no_proxy`` is respected. TLS goes through it from end to end.
    """
    secure = grpc.ssl_channel_credentials(credentials.roots, credentials.key, credentials.chain)
    return grpc.secure_channel(target, secure, channel_options())


def channel_options() -> list[tuple[str, Any]]:
    """Return gRPC's options of a site's channel."""
    return [
        ("grpc.max_receive_message_length", _LARGEST),
        ("grpc.max_send_message_length", _LARGEST),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        # Middleboxes cut connections that are idle for a minute.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # A probe of the bandwidth under way takes a keep-alive's place, and would be waited for a minute.
        ("grpc.http2.ping_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # A site is back soon after the aggregator is.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 5_000),
        ("grpc.max_reconnect_backoff_ms", 1_000),
    ]
