"""The facts of a run's signed record: what it was, on what, under which isolation, by what code."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from challenge.config import Task1Config
from challenge.records.machine import machine_facts
from challenge.task1.engine import Engine
from challenge.task1.inputs import Inputs
from challenge.task1.strategy_host import OpenedStrategy
from fl_core.tensors.digest import digest
from tasks.task1_aggregation.run_state import RunState

DISTRIBUTION = "fedbrats"
PACKAGES = ("fl_core", "partitions", "tasks")
"""Packages of this project whose code can change a result's bytes."""
DECISIVE = (DISTRIBUTION, "numpy", "scipy", "simpleitk", "torch")
"""Distributions whose version can change a result's bytes."""


def code_version() -> str:
    """Return what a run's bytes depend on, in one line: versions, and a digest of this project's code."""
    versions = [f"python={platform.python_version()}"]
    versions += [f"{name}={metadata.version(name)}" for name in DECISIVE]
    return " ".join([*versions, f"code={_code_digest()[:16]}"])


def _code_digest() -> str:
    state = hashlib.sha256()
    for package in PACKAGES:
        spec = find_spec(package)
        for folder in spec.submodule_search_locations or [] if spec else []:
            for source in sorted(Path(folder).rglob("*.py")):
                state.update(f"{package}/{source.relative_to(folder).as_posix()}\0".encode())
                state.update(hashlib.sha256(source.read_bytes()).digest())
    return state.hexdigest()


def run_facts(
    config: Task1Config,
    strategy: OpenedStrategy,
    state: RunState,
    inputs: Inputs,
    identity: Mapping[str, str],
    engine: Engine,
    resumes: Mapping[str, Any],
    headline: Mapping[str, Any],
    wall_s: float,
) -> dict[str, Any]:
    """Return the facts of the record; plain values only."""
    return {
        "task": "task1",
        "submission": {
            "name": strategy.name,
            "kind": strategy.kind,
            "digest": identity["submission"],
            "notes": list(strategy.notes),
        },
        "identity": dict(identity),
        "seed": config.seed,
        "rounds": state.aggregator.round,
        "horizon_s": config.horizon_s,
        "profile": config.profile,
        "score_kind": config.score_kind,
        "score_every": config.score_every,
        "metrics": "hd95 pooled",
        "initial_model": digest(state.initial),
        "best_model": digest(state.best),
        "sites": {site.name: {"train": site.n_train, "validate": site.n_validate} for site in inputs.sites},
        "isolation": strategy.isolation,
        "official": strategy.isolation != "none" and bool(resumes["exact"]),
        "engine": {"name": config.engine, "workers": engine.workers},
        "resumed_at_rounds": list(resumes["resumes"]),
        "resumed_exactly": bool(resumes["exact"]),
        "results": {name: value for name, value in headline.items() if _is_number(value)},
        "wall_s": round(wall_s, 1),
        "machine": machine_facts(threads=1, device=engine.device),
    }


def _is_number(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))
