"""Where the aggregator is reached: what ``auto`` in the section ``network`` means."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from typing import Final

from fl_core.plan.schema import NetworkSettings

FIRST_PORT: Final = 49152
LAST_PORT: Final = 60999
"""Between the first dynamic port of RFC 6335 and the last that Linux leaves to outgoing connections."""


def port_of(plan_hash: str, salt: str = "") -> int:
    """Return the port that belongs to a plan: the same for everyone who has the same plan.

    Args:
        plan_hash: Of the plan, see `fl_core.plan.freeze`.
        salt: ``network.settings.hash_salt``.

    Example:
        >>> FIRST_PORT <= port_of("sha256:00") <= LAST_PORT
        True
    """
    digest = hashlib.sha256(f"{plan_hash}\x1f{salt}".encode()).digest()
    return FIRST_PORT + int.from_bytes(digest[:8], "little") % (LAST_PORT - FIRST_PORT + 1)


def aggregator_address(
    settings: NetworkSettings, plan_hash: str, *, own_name: Callable[[], str] = socket.getfqdn
) -> tuple[str, int]:
    """Return host and port of the aggregator.

    Args:
        settings: The plan's section ``network``.
        plan_hash: Of the plan, for a port that is ``auto``.
        own_name: This machine's fully qualified name, for an address that is ``auto``.
    """
    host = own_name() if settings.agg_addr == "auto" else settings.agg_addr
    port = port_of(plan_hash, settings.hash_salt) if settings.agg_port == "auto" else settings.agg_port
    return host, port
