"""A pool of worker processes: who is idle gets the next job, who dies is replaced."""

from __future__ import annotations

import selectors
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fl_core.errors import FederationError, InputError, WorkerError
from fl_core.executor.base import SiteJob, SiteReport, WorkerSetup
from fl_core.executor.protocol import Done, Failed, Model, Ready, job_message, prepare, report_of
from fl_core.ipc.frames import BadFrame, ChannelClosed, FrameTooLarge
from fl_core.ipc.process import ChildProcess, spawn
from fl_core.ipc.shared import SharedFile, pack
from fl_core.tensors import Tensors

ATTEMPTS: Final = 2
"""How often a job, or the start of a worker, is tried before its worker's death is an error."""

_LOST: Final = (ChannelClosed, BadFrame, FrameTooLarge)


@dataclass(eq=False)
class _Worker:
    child: ChildProcess
    ready: bool = False
    model: SharedFile | None = None
    job: SiteJob | None = None


class WorkerPool:
    """Long-lived workers; one round's jobs at a time.

    Args:
        setup: What a worker needs to serve any site.
        count: How many workers.
        environment: Their whole environment.
    """

    def __init__(self, setup: WorkerSetup, count: int, environment: Mapping[str, str]) -> None:
        self._setup = setup
        self._environment = environment
        self._failed_starts = 0
        self._workers = [self._start() for _ in range(count)]

    @property
    def pids(self) -> list[int]:
        """The workers' process numbers."""
        return [worker.child.pid for worker in self._workers]

    def run(self, model: Tensors, jobs: Sequence[SiteJob]) -> Iterator[SiteReport]:
        """Run the jobs, started in the order given; see `LocalExecutor.run`."""
        file = pack(model)
        waiting, deaths = deque(jobs), Counter[int]()
        try:
            while waiting or any(worker.job for worker in self._workers):
                for worker in self._workers:
                    if waiting and worker.ready and worker.job is None:
                        self._give(worker, waiting.popleft(), file, waiting, deaths)
                for worker in self._with_answers():
                    report = self._take(worker, waiting, deaths)
                    if report is not None:
                        yield report
        finally:
            file.close()
            # Only when the round was broken off: what they still do belongs to nobody.
            for worker in self._workers:
                if worker.job is not None:
                    worker.child.kill()
                    self._replace(worker)

    def close(self) -> None:
        """End all workers at once; safe to call twice."""
        for worker in self._workers:
            worker.child.kill()
        self._workers = []

    def _start(self) -> _Worker:
        child = spawn("fl_core.executor.worker", env=self._environment)
        child.channel.send(prepare(self._setup))
        return _Worker(child)

    def _give(
        self, worker: _Worker, job: SiteJob, model: SharedFile, waiting: deque[SiteJob], deaths: Counter[int]
    ) -> None:
        message, sets = job_message(job)
        worker.job = job
        try:
            if worker.model is not model:
                worker.child.channel.send(Model(), [model])
                worker.model = model
            worker.child.channel.send(message, sets)
        except ChannelClosed:
            self._lost(worker, waiting, deaths)

    def _with_answers(self) -> list[_Worker]:
        """Wait for at least one worker that has something to say, or has died."""
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                if worker.job is not None or not worker.ready:
                    selector.register(worker.child.channel, selectors.EVENT_READ, worker)
            return [key.data for key, _ in selector.select()]

    def _take(self, worker: _Worker, waiting: deque[SiteJob], deaths: Counter[int]) -> SiteReport | None:
        answer: Ready | Done | Failed
        try:
            answer, sets = worker.child.channel.receive(Ready | Done | Failed)
            report = report_of(answer, sets) if isinstance(answer, Done) else None
        except _LOST:
            self._lost(worker, waiting, deaths)
            return None
        if isinstance(answer, Failed):
            raise _error(answer, worker.job)
        if report is None:
            worker.ready, self._failed_starts = True, 0
        else:
            worker.job = None
        return report

    def _lost(self, worker: _Worker, waiting: deque[SiteJob], deaths: Counter[int]) -> None:
        """Replace a dead worker; its job goes to the front of the queue, once."""
        job, worker.job = worker.job, None
        ending = self._replace(worker)
        if job is None:
            self._failed_starts += 1
            if self._failed_starts == ATTEMPTS:
                raise WorkerError(
                    f"{ATTEMPTS} workers in a row ended ({ending}) before they were ready; "
                    f"what they wrote is on standard error"
                )
            return
        deaths[id(job)] += 1
        if deaths[id(job)] == ATTEMPTS:
            raise WorkerError(
                f"site {job.site}, round {job.round}: {ATTEMPTS} workers died on this job, the last with "
                f"{ending}; SIGKILL often means too little memory (fewer --workers need less)"
            )
        waiting.appendleft(job)

    def _replace(self, worker: _Worker) -> str:
        ending = worker.child.wait_for_end(timeout=1.0)
        self._workers[self._workers.index(worker)] = self._start()
        return ending


def _error(failure: Failed, job: SiteJob | None) -> FederationError:
    if failure.exit_code == InputError.exit_code:
        return InputError(failure.message)
    if failure.exit_code:
        return FederationError(failure.message)
    where = "a worker could not be prepared" if job is None else f"site {job.site}, round {job.round}"
    return WorkerError(f"{where}: {failure.message}; the traceback is on standard error")
