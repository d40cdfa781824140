"""What aggregator and site say to each other, as plain values; `wire` turns them into messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fl_core.executor.base import TaskReport


@dataclass(frozen=True)
class BlobRef:
    """A safetensors file, named by what is in it.

    Attributes:
        checksum: ``xxh3:`` and 32 hexadecimal digits, over all bytes.
        size: Bytes.
    """

    checksum: str
    size: int


@dataclass(frozen=True)
class Work:
    """Tasks for one site to do on a model.

    Attributes:
        key: Names this work. After a restart of the aggregator the same work has the same key, so that
            a site which did it already only hands its results in again.
        round: The round, from 0.
        tasks: Names of the plan's tasks, in order.
        settings: Plain values by task name.
        local_names: Tensors that stay at the site.
        model: The global model.
        extras: Arrays beside the model; none where there are none.
        local_state: What the site kept, where the aggregator holds it for the site; none where the site does.
    """

    key: str
    round: int
    tasks: tuple[str, ...]
    model: BlobRef
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    local_names: tuple[str, ...] = ()
    extras: BlobRef | None = None
    local_state: BlobRef | None = None


@dataclass(frozen=True)
class Withdrawal:
    """A work whose results are no longer wanted, and why."""

    key: str
    reason: str


@dataclass(frozen=True)
class Release:
    """Results of rounds up to this one are safe at the aggregator: the site need not keep them."""

    round: int


@dataclass(frozen=True)
class Farewell:
    """The federation is over; nothing comes after it."""

    text: str


Instruction = Work | Withdrawal | Release | Farewell


@dataclass(frozen=True)
class Delivery:
    """What a site hands in for a work.

    Attributes:
        key: The work's.
        round: The work's.
        reports: One a task, in the work's order; none after a failure.
        update: What was trained, where something was.
        local_state: What the site keeps, where the plan lets the aggregator hold it.
        wall_s: Wall-clock seconds the work took.
        failure: Why the work could not be done; empty where it was.
    """

    key: str
    round: int
    reports: tuple[TaskReport, ...] = ()
    update: BlobRef | None = None
    local_state: BlobRef | None = None
    wall_s: float = 0.0
    failure: str = ""


@dataclass(frozen=True)
class Welcome:
    """The aggregator's answer to a site that joins.

    Attributes:
        version: Of the protocol, the one to speak.
        name: By which the aggregator knows the site: that in its certificate.
        beat_s: Seconds between two beats, in both directions.
        part_bytes: Largest part that the aggregator takes.
    """

    version: int
    name: str
    beat_s: float
    part_bytes: int
