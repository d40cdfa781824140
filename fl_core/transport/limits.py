"""How much one site may ask of the aggregator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from fl_core.tensors.header import Limits as FileLimits

ROOM: Final = 1 << 16
"""Bytes that a message may have beside the data of a part."""


@dataclass(frozen=True)
class Limits:
    """What the aggregator takes from one site; more is refused by name.

    Attributes:
        calls: Calls of one site that are open at the same time (a working site has three or four).
        connections: Calls of all sites together that are open at the same time.
        part_bytes: Largest part of a blob.
        blobs: Blobs of one site that lie here and belong to no accepted delivery.
        files: What a blob's header may ask for, and its largest size.
        models: How many times the size of its work's model a blob may have, an optimizer's arrays among it.
        spare_bytes: What a blob may have beyond that.
        beat_s: Seconds between two beats.
        silent_s: A site that says nothing for so long counts as lost.
    """

    calls: int = 8
    connections: int = 1000
    part_bytes: int = 1 << 19
    blobs: int = 4
    files: FileLimits = field(default_factory=FileLimits)
    models: int = 8
    spare_bytes: int = 64 << 20
    beat_s: float = 10.0
    silent_s: float = 45.0
