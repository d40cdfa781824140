"""Who does the sites' work: workers beside this process, or collaborators over mutual TLS."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from challenge.config import Task1Config
from challenge.task1.inputs import Inputs
from fl_core.executor.base import Executor, WorkerSetup
from fl_core.executor.environment import keep_memory
from fl_core.executor.local import LocalExecutor
from fl_core.plan.schema import Plan


@dataclass(frozen=True)
class Room:
    """What an engine may use of its run.

    Attributes:
        folder: For files in transit; nothing else is put there.
        say: Takes a line for the reader.
    """

    folder: Path
    say: Callable[[str], None]


@contextmanager
def open_executor(
    config: Task1Config, inputs: Inputs, plan: Plan, setup: WorkerSetup, room: Room
) -> Iterator[Executor]:
    """Start what does the sites' work, by the configuration's engine; the reports hold the same bytes.

    Args:
        config: Resolved.
        inputs: The cases.
        plan: What all parties agree on.
        setup: What it takes to serve any site.
        room: What the engine may use of its run.

    Raises:
        InputError: The engine cannot be started so.
    """
    workers = worker_count(config, len(inputs.sites))
    if config.engine == "grpc":
        from challenge.task1.grpc_engine import open_grpc

        with open_grpc(config, inputs, plan, setup, workers, room) as remote:
            yield remote
        return
    if workers == 1:
        keep_memory()
    executor = LocalExecutor(setup, workers)
    try:
        yield executor
    finally:
        executor.close()


def worker_count(config: Task1Config, sites: int) -> int:
    """Return how many workers a run has: as asked for, else one a core and at most one a site."""
    return config.workers or max(1, min(os.cpu_count() or 1, sites))
