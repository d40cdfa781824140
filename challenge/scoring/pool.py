"""Workers that score cases at the same time; whatever happens to one of them, every case gets its row."""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from challenge.scoring.case_score import CaseScore, Grid, ScoreSettings, penalised
from challenge.scoring.pairing import Pair
from challenge.scoring.protocol import Failed, Opened, Prepare, Ready, Scored, job_of
from fl_core.errors import InputError, WorkerError
from fl_core.ipc.frames import BadFrame, ChannelClosed, FrameTooLarge
from fl_core.ipc.process import ChildProcess, spawn

WORKER: Final = "challenge.scoring.worker"
ATTEMPTS: Final = 2
"""How often a case, or the start of a worker, is tried: another process may have taken the memory."""

_AHEAD: Final = 2
"""Cases that a worker has at hand, so that it need not wait for us between two."""

_LOST: Final = (ChannelClosed, BadFrame, FrameTooLarge)


@dataclass
class _Task:
    pair: Pair
    deaths: int = 0


@dataclass(eq=False)
class _Worker:
    """A worker and what it has to do: first the case it is at, whose grid and deadline these are."""

    child: ChildProcess
    ready: bool = False
    tasks: deque[_Task] = field(default_factory=deque)
    grid: Grid | None = None
    deadline: float = 0.0


class ScoringPool:
    """Long-lived workers that score cases. Use it in a ``with`` block, or close it.

    Args:
        settings: How cases are scored.
        workers: How many cases at the same time.
        environment: The workers' whole environment.
        timeout_s: Seconds that a case may take before it is given up.
        module: What the workers run.
        now: A clock in seconds.

    Raises:
        InputError: Fewer than one worker, or no time.
    """

    def __init__(
        self,
        settings: ScoreSettings,
        workers: int,
        environment: Mapping[str, str],
        *,
        timeout_s: float,
        module: str = WORKER,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if workers < 1 or not timeout_s > 0:
            raise InputError(f"{workers} workers with {timeout_s:g} s a case score nothing; ask for more")
        self._settings = settings
        self._environment = environment
        self._timeout = timeout_s
        self._module = module
        self._now = now
        self._failed_starts = 0
        self._workers = [self._start() for _ in range(workers)]

    def wait_until_ready(self) -> None:
        """Return once all workers have started.

        Raises:
            WorkerError: Workers end before they are ready.
        """
        while not all(worker.ready for worker in self._workers):
            for worker in self._with_answers(deque()):
                self._take(worker, deque())

    def score(self, pairs: Sequence[Pair]) -> Iterator[CaseScore]:
        """Score the cases, started in the order given; yields them in the order in which they end.

        Raises:
            WorkerError: Workers end before they are ready.
        """
        waiting = deque(_Task(pair) for pair in pairs)
        while waiting or any(worker.tasks for worker in self._workers):
            for depth in range(1, _AHEAD + 1):  # nobody gets a second before all have a first
                for worker in self._workers:
                    if waiting and worker.ready and len(worker.tasks) < depth:
                        self._give(worker, waiting.popleft())
            for worker in self._with_answers(waiting):
                found = self._take(worker, waiting)
                if found is not None:
                    yield found
            for worker in self._workers:
                if worker.tasks and self._now() >= worker.deadline:
                    yield self._give_up(worker, waiting)

    def close(self) -> None:
        """End all workers at once; safe to call twice."""
        for worker in self._workers:
            worker.child.kill()
        self._workers = []

    def __enter__(self) -> ScoringPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> _Worker:
        child = spawn(self._module, env=self._environment)
        child.channel.send(Prepare(self._settings))
        return _Worker(child)

    def _give(self, worker: _Worker, task: _Task) -> None:
        worker.tasks.append(task)
        if len(worker.tasks) == 1:
            self._begin(worker)
        try:
            worker.child.channel.send(job_of(task.pair))
        except ChannelClosed:
            return  # its end shows as an answer, like any other death

    def _begin(self, worker: _Worker) -> None:
        worker.grid, worker.deadline = None, self._now() + self._timeout

    def _with_answers(self, waiting: deque[_Task]) -> list[_Worker]:
        """Wait for workers that have something to say or have died, at most until the next deadline."""
        busy = [worker for worker in self._workers if worker.tasks]
        until = min((worker.deadline for worker in busy), default=None)
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                if worker.tasks or not worker.ready:
                    selector.register(worker.child.channel, selectors.EVENT_READ, worker)
            left = None if until is None else max(0.0, until - self._now())
            return [key.data for key, _ in selector.select(left)]

    def _take(self, worker: _Worker, waiting: deque[_Task]) -> CaseScore | None:
        answer: Ready | Opened | Scored | Failed
        try:
            answer, _ = worker.child.channel.receive(Ready | Opened | Scored | Failed)
        except _LOST:
            return self._lost(worker, waiting)
        if isinstance(answer, Opened):
            worker.grid = answer.grid
            return None
        if isinstance(answer, Ready):
            worker.ready, self._failed_starts = True, 0
            return None
        case, grid = worker.tasks.popleft().pair.case, worker.grid
        self._begin(worker)
        if isinstance(answer, Failed):
            return penalised(case, "crashed", f"scoring failed: {answer.reason}", grid)
        return answer.score

    def _lost(self, worker: _Worker, waiting: deque[_Task]) -> CaseScore | None:
        """Replace a dead worker; its case is tried again, first of all, once."""
        task = worker.tasks.popleft() if worker.tasks else None
        ending = worker.child.wait_for_end(timeout=1.0)
        if task is None:
            self._failed_starts += 1
            if self._failed_starts >= ATTEMPTS:
                raise WorkerError(
                    f"{ATTEMPTS} workers in a row ended ({ending}) before they were ready; "
                    "what they wrote is on standard error"
                )
        self._replace(worker, waiting)
        if task is None:
            return None
        task.deaths += 1
        if task.deaths < ATTEMPTS:
            waiting.appendleft(task)
            return None
        reason = f"{ATTEMPTS} workers ended on this case, the last with {ending}"
        return penalised(task.pair.case, "crashed", reason, worker.grid)

    def _give_up(self, worker: _Worker, waiting: deque[_Task]) -> CaseScore:
        task = worker.tasks.popleft()
        worker.child.kill()
        self._replace(worker, waiting)
        reason = f"not scored within {self._timeout:g} s"
        return penalised(task.pair.case, "timeout", reason, worker.grid)

    def _replace(self, worker: _Worker, waiting: deque[_Task]) -> None:
        """Start another worker; the cases that this one had only at hand go back."""
        waiting.extendleft(reversed(worker.tasks))
        self._workers[self._workers.index(worker)] = self._start()
