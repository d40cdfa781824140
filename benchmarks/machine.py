"""The machine that a benchmark ran on, as its report tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from challenge.records.machine import machine_facts


def machine() -> dict[str, Any]:
    """Return the facts on which times and bytes depend; no name of the machine or its user."""
    return machine_facts(threads=1)


def one_line(facts: Mapping[str, Any]) -> str:
    """Return the facts for the foot of a table.

    Example:
        >>> one_line({"processor": "Z80", "cores": 1, "system": "CP/M", "python": "3.11.0",
        ...           "libraries": {"torch": "2.13.0"}})
        'Z80, 1 cores, CP/M, Python 3.11.0, torch 2.13.0'
    """
    libraries = (f"{name} {version}" for name, version in sorted(facts["libraries"].items()))
    return ", ".join(
        [
            str(facts["processor"]),
            f"{facts['cores']} cores",
            str(facts["system"]),
            f"Python {facts['python']}",
            *libraries,
        ]
    )
