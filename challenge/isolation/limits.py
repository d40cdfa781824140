"""What a participant's process may use: time for each call, output, files and memory."""

from __future__ import annotations

import resource
from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits of an isolated process.

    Attributes:
        load_s: Wall-clock seconds to import the submission.
        select_s: The same for a call of ``select_sites``.
        configure_s: The same for a call of ``configure_round``.
        aggregate_s: The same for a call of ``aggregate``.
        log_bytes: What it may print; the rest is read and dropped.
        file_bytes: Largest file it may write, and largest set of arrays it may hand over.
        open_files: How many descriptors it may have.
        memory_bytes: Address space; ``None`` for no limit (libraries with CUDA reserve far more
            address space than they use).
    """

    load_s: float = 60.0
    select_s: float = 60.0
    configure_s: float = 60.0
    aggregate_s: float = 300.0
    log_bytes: int = 10 * MIB
    file_bytes: int = 4096 * MIB
    open_files: int = 512
    memory_bytes: int | None = None


def apply(limits: Limits) -> None:
    """Lower this process's own limits, for good: soft and hard.

    A limit that is already lower stays. There is no core file: it would hold the memory's content.
    """
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    _lower(resource.RLIMIT_NOFILE, limits.open_files)
    if limits.memory_bytes is not None:
        _lower(resource.RLIMIT_AS, limits.memory_bytes)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    lowered = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (lowered, lowered))
