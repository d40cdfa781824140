"""What a host and the process that started it say to each other over their private channel."""

from __future__ import annotations

from typing import Any

import msgspec

from fl_core.collaborator.settings import CollaboratorSettings


class Credentials(msgspec.Struct):
    """What one site shows, as PEM; it crosses here and nowhere else."""

    key: bytes
    chain: bytes

    def __repr__(self) -> str:
        """Return a text without the key."""
        return "Credentials(...)"


class Prepare(msgspec.Struct, tag=True):
    """To a host, once: whom it serves, and how.

    Attributes:
        source: ``"module:function"`` that opens the sites' data, see `WorkerSetup`.
        settings: Plain values for it.
        collaborator: How collaborators treat optimizers, deltas and the plan's tasks.
        target: ``host:port`` of the aggregator.
        plan: Hash of the plan.
        roots: Certificates that sign the aggregator's, as PEM.
        sites: The sites by name.
        folder: Where sites keep results until the aggregator has them.
    """

    source: str
    settings: dict[str, Any]
    collaborator: CollaboratorSettings
    target: str
    plan: str
    roots: bytes
    sites: dict[str, Credentials]
    folder: str


class Ready(msgspec.Struct, tag=True):
    """From a host: the sites' data is open, and they connect."""


class Began(msgspec.Struct, tag=True):
    """From a host: a site's job begins."""

    site: str
    round: int


class Ended(msgspec.Struct, tag=True):
    """From a host: the job that began last is done."""


class Broke(msgspec.Struct, tag=True):
    """From a host: an error that would come again: of a job, of the data, of a connection.

    `exit_code` is that of a `FederationError`, or 0 for any other exception, whose traceback is on standard
    error then.
    """

    where: str
    message: str
    exit_code: int
