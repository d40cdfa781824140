"""A site's side of a federation: does what the aggregator asks for, until it says farewell."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from fl_core.compression.exchange import RESIDUAL_PREFIX, Exchange
from fl_core.executor.base import SiteJob, SiteReport, TaskReport
from fl_core.federation.beats import Beats
from fl_core.federation.inbox import Broken, Inbox
from fl_core.federation.kept import Kept, Result
from fl_core.federation.travelling import file_form, read_blob
from fl_core.tensors import Array, Tensors
from fl_core.transport.errors import ConnectionClosed, Refused
from fl_core.transport.messages import BlobRef, Delivery, Farewell, Instruction, Release, Welcome, Work

log = logging.getLogger(__name__)


class Connection(Protocol):
    """What a member needs of its connection; see `fl_core.transport.client`."""

    welcome: Welcome

    def instructions(self) -> Iterator[Instruction]:
        """Yield instructions until the farewell, over any number of lost connections."""
        ...

    def download(self, blob: BlobRef) -> memoryview:
        """Return a whole blob, its checksum verified."""
        ...

    def upload(self, path: Path, blob: BlobRef) -> None:
        """Send a file."""
        ...

    def deliver(self, delivery: Delivery) -> str:
        """Hand in results; return why they do not count, empty where they do."""
        ...

    def beat(self, text: str) -> None:
        """Tell that the site is alive."""
        ...

    def read_farewell(self) -> None:
        """Tell that the site knows that the federation is over."""
        ...

    def close(self) -> None:
        """End all calls."""
        ...


@dataclass(frozen=True)
class Sharing:
    """What leaves the site beside its update and the means of its metrics.

    Attributes:
        rows: Values per sample.
        local_state: What the site keeps between rounds.
    """

    rows: bool = False
    local_state: bool = False


@dataclass(frozen=True)
class _Given:
    """A work's arrays, as they arrived."""

    model: Tensors
    extras: Tensors
    local_state: Tensors
    residual: Tensors


class Member:
    """One site in a federation.

    Work is done in the thread that calls `run`; instructions are read, and beats sent, by two others.
    What was done is kept on the site's disk until the aggregator has it for good, so that either side
    may be killed at any instant and the federation ends with the same bytes.

    Args:
        site: The site's name, as its certificate has it.
        perform: Does a job on a model, see `fl_core.executor.worker.perform`.
        connection: To the aggregator, joined.
        kept: What the site keeps.
        exchange: How models and updates travel.
        sharing: What leaves the site beside its updates.
        note: Takes a line on each work, for the one who started the site.
        interruptible: Entered around a job; what it raises that is no `Exception` ends `run`.
        last_round: The last round that the plan knows; None where it is not known.
        all_handed_in: Called when the aggregator has all that the plan asks of this site, perhaps repeatedly.
    """

    def __init__(
        self,
        site: str,
        perform: Callable[[SiteJob, Tensors], SiteReport],
        connection: Connection,
        kept: Kept,
        exchange: Exchange,
        sharing: Sharing = Sharing(),
        note: Callable[[str], None] = log.info,
        interruptible: Callable[[], AbstractContextManager[None]] = nullcontext,
        last_round: int | None = None,
        all_handed_in: Callable[[], None] = lambda: None,
    ) -> None:
        self._site = site
        self._perform = perform
        self._connection = connection
        self._kept = kept
        self._exchange = exchange
        self._sharing = sharing
        self._note = note
        self._interruptible = interruptible
        self._last_round = last_round
        self._all_handed_in = all_handed_in
        self._inbox = Inbox()

    def run(self) -> str:
        """Work until the farewell; return its text.

        A site that read the farewell before returns it at once and calls nobody.

        Raises:
            Refused: The aggregator does not take this site: its plan, its certificate, its name.
            GaveUp: The aggregator could not be reached for as long as the policy tries.
            OSError: The site's own disk refused.
        """
        if self._kept.farewell is not None:
            return self._kept.farewell
        listener = threading.Thread(target=self._listen, name="instructions", daemon=True)
        listener.start()
        with Beats(self._connection.beat, self._connection.welcome.beat_s) as beats:
            while True:
                beats.say("waiting")
                match self._inbox.take():
                    case Work() as work:
                        self._do(work, beats)
                    case Release(round):
                        self._settle(round)
                        self._see_whether_all(round)
                        self._kept.release(round)
                    case Farewell(text):
                        listener.join()
                        return text
                    case Broken(error):
                        raise error

    def _listen(self) -> None:
        try:
            for instruction in self._connection.instructions():
                if isinstance(instruction, Farewell):
                    # At once, though a task may run for another hour: the aggregator waits for it.
                    self._kept.note_farewell(instruction.text)
                    self._inbox.put(instruction)
                    self._connection.read_farewell()
                    return
                self._inbox.put(instruction)
            self._inbox.put(
                Broken(ConnectionClosed("the aggregator ended the connection without a farewell"))
            )
        except Exception as error:  # noqa: BLE001 - a thread's border: `run` raises it
            self._inbox.put(Broken(error))

    def _do(self, work: Work, beats: Beats) -> None:
        about = f"round {work.round}: {', '.join(work.tasks)}"
        try:
            result = self._kept.result(work)
            if result is not None:
                self._note(f"{about}: done before, handing it in again")
            else:
                self._settle(work.round)
                result = self._work(work, beats, about)
            if result is not None:
                self._hand_in(work, result, beats, about)
        except Refused as refused:
            self._fail(work, about, f"{refused}")

    def _work(self, work: Work, beats: Beats, about: str) -> Result | None:
        """Return the result; None where it failed, or where nobody wants it any more."""
        self._note(f"{about}: begins")
        beats.say(f"{about}: downloading")
        model = self._connection.download(work.model)
        extras = self._connection.download(work.extras) if work.extras else None
        state = self._connection.download(work.local_state) if work.local_state else None
        beats.say(f"{about}: working")
        try:
            result = self._performed(work, self._given(work, model, extras, state))
        except Exception as error:
            # Its text may name files or patients, so it stays here.
            log.exception("%s: failed", about)
            self._fail(work, about, f"{type(error).__name__}; the site's log tells more")
            return None
        if reason := self._inbox.unwanted(work):
            log.warning("%s: its results are thrown away: %s", about, reason)
            self._kept.refused(result)
            return None
        return result

    def _given(
        self, work: Work, model: memoryview, extras: memoryview | None, state: memoryview | None
    ) -> _Given:
        kept = self._kept.local_state(work.round) if state is None else read_blob(state).tensors
        own = {name: array for name, array in kept.items() if not name.startswith(RESIDUAL_PREFIX)}
        residual = {
            name.removeprefix(RESIDUAL_PREFIX): array
            for name, array in kept.items()
            if name.startswith(RESIDUAL_PREFIX)
        }
        return _Given(
            model=self._exchange.unpack_model(read_blob(model)),
            extras=read_blob(extras).tensors if extras is not None else {},
            local_state=own,
            residual=residual,
        )

    def _performed(self, work: Work, given: _Given) -> Result:
        job = SiteJob(
            site=self._site,
            round=work.round,
            tasks=work.tasks,
            settings=work.settings,
            extras=given.extras,
            local_state=given.local_state,
            local_names=work.local_names,
        )
        with self._interruptible():
            report = self._perform(job, given.model)
        trained = any(task.trains for task in report.reports)
        packed = self._exchange.pack_update(
            report.tensors, given.model, site=self._site, round=work.round, residual=given.residual
        )
        tensors, metadata = file_form(packed.encoded)
        residual: dict[str, Array] = {RESIDUAL_PREFIX + n: array for n, array in packed.residual.items()}
        held_there = work.local_state is not None
        return self._kept.keep(
            work,
            tuple(self._leaving(task) for task in report.reports),
            update=tensors if trained else None,
            metadata=metadata,
            local_state={**report.local_state, **residual} if trained or held_there else None,
            shares_local_state=self._sharing.local_state,
            holds_local_state=not held_there,
            wall_s=report.wall_s,
        )

    def _leaving(self, task: TaskReport) -> TaskReport:
        return task if self._sharing.rows else replace(task, rows=())

    def _hand_in(self, work: Work, result: Result, beats: Beats, about: str) -> None:
        self._inbox.drop_repeats(work)
        delivery = result.delivery
        if self._kept.is_accepted(result) and not self._connection.deliver(delivery):
            return  # told again by an aggregator that remembers; otherwise it wants the arrays anew
        beats.say(f"{about}: uploading")
        for path, blob in ((result.update, delivery.update), (result.local_state, delivery.local_state)):
            if path is not None and blob is not None:
                self._connection.upload(path, blob)
        self._decide(result, self._connection.deliver(delivery), about)

    def _settle(self, round: int) -> None:
        """Ask what became of results that were handed in by a process that died before it heard."""
        for result in self._kept.undecided(round):
            delivery = result.delivery
            self._decide(result, self._connection.deliver(delivery), f"round {delivery.round}")

    def _decide(self, result: Result, refused: str, about: str) -> None:
        if refused:
            log.warning("%s: refused: %s", about, refused)
            self._kept.refused(result)
        else:
            self._note(f"{about}: handed in")
            self._see_whether_all(result.delivery.round)
            self._kept.accepted(result)

    def _see_whether_all(self, round: int) -> None:
        if self._last_round is not None and round >= self._last_round:
            self._all_handed_in()

    def _fail(self, work: Work, about: str, reason: str) -> None:
        """Tell that a work will not be done; the site goes on with the next one."""
        log.error("%s: not done: %s", about, reason)
        self._inbox.drop_repeats(work)
        if not self._inbox.unwanted(work):
            self._connection.deliver(Delivery(work.key, work.round, failure=reason))
