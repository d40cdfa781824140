"""The local executor: the work of a round in this process, or in long-lived workers beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from fl_core.errors import InputError
from fl_core.executor.base import SiteJob, SiteReport, WorkerSetup, load_source
from fl_core.executor.environment import worker_environment
from fl_core.executor.pool import WorkerPool
from fl_core.executor.protocol import as_received, read_only, setup_as_received
from fl_core.executor.worker import perform
from fl_core.task_runner.base import RunnerSource
from fl_core.tensors import Tensors


class LocalExecutor:
    """Runs jobs in this process (one worker) or in several; the reports hold the same bytes.

    Several workers start at once when the executor is made. Use it in a ``with`` block, or close
    it: its processes end at the latest with this one.

    Args:
        setup: What a worker needs to serve any site.
        workers: How many jobs run at the same time.
        environment: The workers' environment before thread and allocator settings; ``None`` for ours.

    Raises:
        InputError: Fewer than one worker.

    Example:
        >>> from fl_core.collaborator.settings import CollaboratorSettings, TaskSpec
        >>> import numpy as np
        >>> setup = WorkerSetup(
        ...     "fl_core.task_runner.plus_one:open_source", {},
        ...     CollaboratorSettings({"train": TaskSpec("train")}),
        ... )
        >>> with LocalExecutor(setup, workers=1) as executor:
        ...     job = SiteJob(site="1", round=0, tasks=("train",))
        ...     [report] = executor.run({"w": np.zeros(2, np.float32)}, [job])
        >>> report.tensors["w"].tolist()
        [1.0, 1.0]
    """

    def __init__(
        self, setup: WorkerSetup, workers: int, *, environment: Mapping[str, str] | None = None
    ) -> None:
        if workers < 1:
            raise InputError(f"{workers} workers cannot do anything; ask for at least 1")
        self._setup = setup_as_received(setup)
        self._source: RunnerSource | None = None
        self._pool: WorkerPool | None = None
        if workers > 1:
            base = os.environ if environment is None else environment
            self._pool = WorkerPool(setup, workers, worker_environment(base))

    def run(self, model: Tensors, jobs: Sequence[SiteJob]) -> Iterator[SiteReport]:
        """Run every job on the given global model; reports come in the order in which they end.

        The longest job (`SiteJob.cost`) starts first.

        Raises:
            WorkerError: A worker died twice on the same job, or its work raised an error of its own.
            FederationError: What the work itself raised, with its message and exit code.
        """
        ordered = sorted(jobs, key=lambda job: (-job.cost, job.site))
        return self._run_here(model, ordered) if self._pool is None else self._pool.run(model, ordered)

    def close(self) -> None:
        """End the workers; safe to call twice."""
        if self._pool is not None:
            self._pool.close()

    def _run_here(self, model: Tensors, jobs: Sequence[SiteJob]) -> Iterator[SiteReport]:
        if self._source is None:
            self._source = load_source(self._setup)
        received = read_only(model)
        for job in jobs:
            yield perform(self._source, self._setup, as_received(job), received)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
