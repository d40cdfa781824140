"""The remote executor: the work of a round at sites that follow a board."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import xxhash

from fl_core.compression.exchange import Exchange
from fl_core.errors import TensorError, WorkerError
from fl_core.executor.base import SiteJob, SiteReport
from fl_core.executor.protocol import as_received
from fl_core.federation.attendance import Attendance
from fl_core.federation.travelling import encoded_form, file_form
from fl_core.tensors import Array, Tensors
from fl_core.tensors.codec import decode
from fl_core.tensors.header import DEFAULT_LIMITS, Limits
from fl_core.tensors.spooled import write_stream
from fl_core.transport.board import Board, BoardEvent, Delivered, Failed, Joined, Left
from fl_core.transport.messages import BlobRef, Work
from fl_core.transport.spool import Spool

ATTEMPTS: Final = 2
"""How often a job is given to its site before its failure is an error."""


@dataclass
class _Task:
    """A job on its way: what the site is asked for, and how often it was."""

    job: SiteJob
    work: Work
    model: Tensors
    base: Tensors
    attempts: int = 1


class RemoteExecutor:
    """Runs jobs at the sites that they name; reports hold the same bytes as those of a local executor.

    Several jobs of one site are done one after the other.

    Args:
        board: Which the sites follow.
        spool: Where their uploads lie.
        folder: Of this executor's own, for the files that sites download.
        name: Of the run; a site that did a work of the same name and content answers from what it kept.
        exchange: How models and updates travel; lossless where none is given.
        holds_local_state: Whether jobs bring what their site keeps between rounds, and reports take it
            back. Otherwise it stays at the site.
        lost_after_s: A site that owes a report and is not connected for so long is an error.
        limits: How much an uploaded file may ask for.
        clock: Seconds that never go back.
        poll_s: The longest wait between two looks at the clock.
    """

    def __init__(
        self,
        board: Board,
        spool: Spool,
        folder: Path,
        *,
        name: str,
        exchange: Exchange | None = None,
        holds_local_state: bool = False,
        lost_after_s: float = 1800.0,
        limits: Limits = DEFAULT_LIMITS,
        clock: Callable[[], float] = time.monotonic,
        poll_s: float = 0.5,
    ) -> None:
        self._board = board
        self._spool = spool
        self._folder = folder
        self._name = name
        self._exchange = exchange or Exchange(0)
        self._holds_local_state = holds_local_state
        self._lost_after_s = lost_after_s
        self._limits = limits
        self._clock = clock
        self._poll_s = poll_s
        self._attendance = Attendance(clock())
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, model: Tensors, jobs: Sequence[SiteJob]) -> Iterator[SiteReport]:
        """Run every job on the given global model; reports come in the order in which they end.

        Raises:
            WorkerError: A site failed twice on the same job, is not connected for too long, or keeps
                to itself what this executor is to hold.
            TensorError: The model is not finite and the download codec lossy.
            OSError: The disk refused.
        """
        published: set[BlobRef] = set()
        waiting: dict[str, deque[_Task]] = {}
        while (event := self._board.next_event(0)) is not None:
            self._take(event, waiting)  # who came and went since the last run
        try:
            for task in self._tasks(model, jobs, published):
                waiting.setdefault(task.job.site, deque()).append(task)
            for site in waiting:
                self._post(waiting[site][0])
            while waiting:
                event = self._board.next_event(self._poll_s)
                report = self._take(event, waiting)
                if report is not None:
                    yield report
                self._see_nobody_lost(waiting)
        finally:
            for site in waiting:
                self._board.withdraw(site, "the run is over")
            for blob in published:
                self._board.retract(blob)
                self._file(blob).unlink(missing_ok=True)

    def release(self, round: int) -> None:
        """Tell sites that what they did up to this round will not be asked for again."""
        self._board.release(round)

    def close(self) -> None:
        """End nothing: the sites are others' processes. Safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tasks(self, model: Tensors, jobs: Sequence[SiteJob], published: set[BlobRef]) -> Iterable[_Task]:
        """Write the files of all jobs; yield the longest job first."""
        sent: dict[int, tuple[BlobRef, Tensors]] = {}
        extras: dict[int, BlobRef] = {}
        for given in sorted(jobs, key=lambda job: (-job.cost, job.site)):
            job = as_received(given)
            if job.round not in sent:
                encoded = self._exchange.pack_model(model, round=job.round)
                blob = self._publish(*file_form(encoded), published)
                sent[job.round] = blob, self._exchange.unpack_model(encoded)
            if given.extras and id(given.extras) not in extras:
                extras[id(given.extras)] = self._publish(job.extras, None, published)
            blob, base = sent[job.round]
            work = Work(
                key="",
                round=job.round,
                tasks=job.tasks,
                model=blob,
                settings=job.settings,
                local_names=job.local_names,
                extras=extras[id(given.extras)] if given.extras else None,
                local_state=(
                    self._publish(job.local_state, None, published) if self._holds_local_state else None
                ),
            )
            bare = replace(job, extras={}, local_state={})
            yield _Task(bare, replace(work, key=self._key(work)), model, base)

    def _publish(
        self, tensors: Tensors, metadata: Mapping[str, Any] | None, published: set[BlobRef]
    ) -> BlobRef:
        partial = self._folder / "partial.tmp"
        written = write_stream(partial, tensors, metadata)
        blob = BlobRef(written.checksum, written.size)
        partial.replace(self._file(blob))
        self._board.publish(blob, self._file(blob))
        published.add(blob)
        return blob

    def _file(self, blob: BlobRef) -> Path:
        return self._folder / f"{blob.checksum.removeprefix('xxh3:')}.safetensors"

    def _key(self, work: Work) -> str:
        """Return a name that another work never has."""
        files = [blob.checksum if blob else "" for blob in (work.model, work.extras, work.local_state)]
        made_of = json.dumps([work.tasks, work.settings, work.local_names, files], sort_keys=True)
        return f"{work.round}.{self._name}.{xxhash.xxh3_64_hexdigest(made_of.encode())}"

    def _post(self, task: _Task) -> None:
        self._spool.clear(task.job.site)
        self._board.post(task.job.site, task.work)

    def _take(self, event: BoardEvent | None, waiting: dict[str, deque[_Task]]) -> SiteReport | None:
        match event:
            case Joined(site):
                self._attendance.came(site)
            case Left(site, _):
                self._attendance.went(site, self._clock())
            case Delivered(site, work) if site in waiting and waiting[site][0].work.key == work.key:
                return self._delivered(event, waiting)
            case Failed(site, work, reason) if site in waiting and waiting[site][0].work.key == work.key:
                self._again(waiting[site][0], reason)
        return None

    def _delivered(self, event: Delivered, waiting: dict[str, deque[_Task]]) -> SiteReport | None:
        tasks = waiting[event.site]
        try:
            report = self._report(event, tasks[0])
        except TensorError as error:
            self._again(tasks[0], str(error))
            return None
        finally:
            self._spool.clear(event.site)
        tasks.popleft()
        if tasks:
            self._post(tasks[0])
        else:
            del waiting[event.site]
        return report

    def _report(self, event: Delivered, task: _Task) -> SiteReport:
        came = tuple(report.task for report in event.delivery.reports)
        if came != task.work.tasks:
            raise TensorError(f"results of the tasks {', '.join(came)[:200] or 'none'}")
        if self._holds_local_state and event.local_state is None:
            raise WorkerError(
                f"site {event.site} keeps its state to itself, but this run is to hold it: set "
                "collaborator.settings.shares_local_state in the plan"
            )
        update: dict[str, Array] = {}
        if event.update is not None:
            encoded = encoded_form(*self._read(event.update))
            update = self._exchange.unpack_update(encoded, model=task.model, base=task.base)
        state = self._read(event.local_state)[0] if event.local_state is not None else {}
        return SiteReport(
            event.site, task.job.round, event.delivery.reports, update, state, event.delivery.wall_s
        )

    def _read(self, path: Path) -> tuple[dict[str, Array], dict[str, Any] | None]:
        return decode(path.read_bytes(), limits=self._limits)

    def _again(self, task: _Task, reason: str) -> None:
        if task.attempts == ATTEMPTS:
            raise WorkerError(
                f"site {task.job.site} failed {ATTEMPTS} times in round {task.job.round}: {reason}"
            )
        task.attempts += 1
        # Another name, or the site would answer with what it kept.
        task.work = replace(task.work, key=f"{task.work.key}.{task.attempts}")
        self._post(task)

    def _see_nobody_lost(self, waiting: dict[str, deque[_Task]]) -> None:
        owing = set(waiting) - set(self._board.present())
        lost = self._attendance.lost(owing, self._clock(), self._lost_after_s)
        if lost:
            raise WorkerError(
                f"{', '.join(lost)}: not connected for {self._lost_after_s:g} s, but work is owed; "
                "see whether these sites run and reach the aggregator, then resume"
            )
