"""What tells one delivery from another, short enough to be kept over a restart."""

from __future__ import annotations

import json
from dataclasses import asdict

import xxhash

from fl_core.transport.messages import Delivery


def fingerprint(delivery: Delivery) -> str:
    """Return 32 hexadecimal digits over all of a delivery; the order of metrics does not count.

    Example:
        >>> fingerprint(Delivery("0", 0)) == fingerprint(Delivery("0", 0))
        True
        >>> fingerprint(Delivery("0", 0)) == fingerprint(Delivery("0", 1))
        False
    """
    return xxhash.xxh3_128_hexdigest(json.dumps(asdict(delivery), sort_keys=True).encode())
