"""What a package's process may use."""

from __future__ import annotations

from dataclasses import dataclass

from challenge.isolation.limits import MIB, Limits


@dataclass(frozen=True)
class PackageLimits:
    """Limits of a package at a site; times are wall-clock seconds.

    Attributes:
        load_s: To load the model, libraries included.
        case_s: For each case.
        total_s: In all, loading included.
        memory_bytes: Address space; ``None`` for no limit (libraries with CUDA reserve far more address
            space than they use).
        log_bytes: What it may print; the rest is read and dropped.
        file_bytes: Largest file it may write.
        open_files: How many descriptors it may have.
    """

    load_s: float = 120.0
    case_s: float = 180.0
    total_s: float = 24 * 3600.0
    memory_bytes: int | None = 16384 * MIB
    log_bytes: int = 10 * MIB
    file_bytes: int = 2048 * MIB
    open_files: int = 512

    def of_process(self) -> Limits:
        """Return what the process imposes on itself before it loads anything."""
        return Limits(
            log_bytes=self.log_bytes,
            file_bytes=self.file_bytes,
            open_files=self.open_files,
            memory_bytes=self.memory_bytes,
        )
