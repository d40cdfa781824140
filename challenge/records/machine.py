"""The facts of a machine on which equal bytes depend: libraries, processor, threads."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("fedbrats", "torch", "monai", "numpy", "scipy", "simpleitk", "safetensors")
# The instruction sets by which BLAS and torch choose their kernels, and so the order of their sums.
_KERNEL_FLAGS = (
    "sse4_2", "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16",
    "amx_tile", "asimd", "sve", "sve2", "bf16",
)  # fmt: skip


def machine_facts(threads: int, device: str = "cpu") -> dict[str, Any]:
    """Return what equal bytes depend on; holds no name of the machine or its user.

    Args:
        threads: Compute threads of a worker.
        device: Where the networks were trained, ``cpu`` or the name of the accelerator.
    """
    model, flags = _processor()
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": model,
        "processor_features": [flag for flag in _KERNEL_FLAGS if flag in flags],
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "device": device,
        "threads": threads,
        "libraries": {name: version for name in LIBRARIES if (version := _version(name)) is not None},
    }


def differences(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    """Say where two machines differ in what equal bytes depend on.

    The number of cores and the threads are not compared: the first does not matter, the second is a
    choice of the run and not of the machine.

    Returns:
        One phrase a difference, such as ``torch 2.13.0 there, 2.10.0 here``; empty when a repetition
        of the run here is to give equal bytes.
    """
    found = [
        f"{name} {recorded.get(name, 'unknown')} there, {present.get(name, 'unknown')} here"
        for name in ("python", "system", "architecture", "processor")
        if recorded.get(name) != present.get(name)
    ]
    if recorded.get("device", "cpu") != "cpu":
        found.append(f"trained on {recorded['device']}")
    there, here = recorded.get("processor_features"), present.get("processor_features")
    if there != here:
        found.append(f"processor features {_listed(there)} there, {_listed(here)} here")
    old, new = recorded.get("libraries"), present.get("libraries")
    old, new = old if isinstance(old, Mapping) else {}, new if isinstance(new, Mapping) else {}
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            found.append(f"{name} {old.get(name, 'absent')} there, {new.get(name, 'absent')} here")
    return found


def _listed(features: Any) -> str:
    return ", ".join(map(str, features)) if isinstance(features, list) and features else "unknown"


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> tuple[str, frozenset[str]]:
    """Return the model and the flags that Linux names; elsewhere what Python knows, and no flags."""
    listing = Path("/proc/cpuinfo")
    if not listing.exists():
        return platform.processor() or "unknown", frozenset()
    fields: dict[str, str] = {}
    for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), value.strip())
    return (
        fields.get("model name", platform.processor() or "unknown"),
        frozenset(fields.get("flags", fields.get("features", "")).split()),
    )
