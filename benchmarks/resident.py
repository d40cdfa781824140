"""Resident memory of a process, now and at its peak, as Linux counts it."""

from __future__ import annotations

import os
import re
from pathlib import Path


def resident(pid: int | None = None) -> int:
    """Return the bytes that a process has in memory now; of this one without a number."""
    return _status("VmRSS", pid)


def peak_resident(pid: int | None = None) -> int:
    """Return the most bytes that a process had in memory since its program began.

    ``getrusage`` tells more: its peak is handed on from the process that started this one.
    """
    return _status("VmHWM", pid)


def _status(field: str, pid: int | None) -> int:
    status = Path(f"/proc/{os.getpid() if pid is None else pid}/status").read_text(
        encoding="ascii", errors="replace"
    )
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    if found is None:
        raise RuntimeError(f"process {pid}: the system tells no {field}")
    return int(found[1]) * 1024
