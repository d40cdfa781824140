"""The lead: runs a federation of real sites, round by round, over a board."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from fl_core.errors import FederationError
from fl_core.federation import progress
from fl_core.federation.admission import Admission
from fl_core.federation.attendance import Attendance
from fl_core.federation.beginning import aggregator_of, begin
from fl_core.federation.closing import close
from fl_core.federation.commit import Committer
from fl_core.federation.farewell import how_it_ended, wait_for_readers
from fl_core.federation.open_round import OpenRound
from fl_core.federation.opening import open_round
from fl_core.federation.outputs import Outputs
from fl_core.federation.progress import Observer, unobserved
from fl_core.federation.state_folder import StateFolder
from fl_core.federation.terms import Terms
from fl_core.straggler.base import Drop
from fl_core.tensors.header import DEFAULT_LIMITS, Limits
from fl_core.transport.board import Board, BoardEvent, Delivered, Failed, Joined, Left, Told
from fl_core.transport.messages import BlobRef
from fl_core.transport.spool import Spool

Authorised = Callable[[], Mapping[str, int | None]]
"""Returns who may take part now: the most samples that each may claim, None where none is registered."""


@dataclass(frozen=True)
class Patience:
    """How long a lead waits.

    Attributes:
        lost_after_s: A site that owes results and is not connected for so long is dropped from the round.
        linger_s: So long the end is told to sites that have not read of it.
        poll_s: The longest wait between two looks at the clock.
    """

    lost_after_s: float = 1800.0
    linger_s: float = 60.0
    poll_s: float = 0.5


class Lead:
    """Leads one federation to its end, or until it is stopped; a new one goes on where it stood.

    The servicer stands on the other side of `board`, and puts uploads into `spool`.

    Args:
        terms: What was agreed on.
        folder: Holds what a restart needs.
        initial: File of the initial model; it is only read.
        outputs: Where the best and last model and the tables go.
        authorised: Asked whenever a round opens, so that a site added meanwhile takes part.
        observer: Told of what happens.
        patience: How long to wait.
        limits: How much an update's file may ask for.
        clock: Seconds that never go back.
        name: Makes the name of a new federation.

    Raises:
        OtherPlan: The folder holds a federation of another plan.
        FederationError: What lies in the folder is damaged.
        TensorError: The initial model cannot be read.
    """

    def __init__(
        self,
        terms: Terms,
        folder: StateFolder,
        *,
        initial: Path,
        outputs: Outputs,
        authorised: Authorised,
        observer: Observer = unobserved,
        patience: Patience = Patience(),
        limits: Limits = DEFAULT_LIMITS,
        clock: Callable[[], float] = time.monotonic,
        name: Callable[[], str] = lambda: secrets.token_hex(6),
    ) -> None:
        self._terms = terms
        self._folder = folder
        self._authorised = authorised
        self._observer = observer
        self._patience = patience
        self._clock = clock
        self._stopping = threading.Event()
        found = folder.standing(terms.plan_hash)
        self._resumed = found is not None
        self._standing = found or begin(terms, folder, initial, name())
        self._aggregator = aggregator_of(terms, folder, self._standing)
        self._attendance = Attendance(clock(), self._standing.joined)
        self._admission = Admission(terms, folder, limits)
        self.board = Board(self._admission)
        self.spool = Spool(folder.spool_folder)
        self._recall(self._standing.answers)
        self._committer = Committer(terms, folder, outputs, self._standing, self._resumed)
        self._opened: OpenRound | None = None
        self._published: set[BlobRef] = set()
        self._started_s: float | None = None

    def stop(self) -> None:
        """End soon, between two durable writes; may be called from a signal handler."""
        self._stopping.set()

    def run(self) -> progress.Ended:
        """Lead all rounds and tell the sites that it is over.

        Returns:
            How it ended: finished or stopped.

        Raises:
            FederationError: No site is authorised, or none was connected for so long that a round
                cannot go on. Started again, the federation goes on with the same round.
            TensorError: The aggregation function's result breaks a rule.
            OSError: The disk refused.
        """
        standing = self._standing
        self._observer(
            progress.Began(
                standing.federation,
                self._terms.rounds,
                standing.aggregator.round,
                self._resumed,
                standing.finished,
            )
        )
        try:
            while not self._standing.finished:
                if not self._lead_round():
                    break
        finally:
            self._settle(wait=True)
        return self._say_farewell() if self._standing.finished else self._ended(())

    def close(self) -> None:
        """Let go of the files; safe to call twice."""
        self._committer.close()
        self.spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _recall(self, answers: Mapping[str, tuple[str, str]]) -> None:
        """Let sites that did not hear that their results count hear it when they ask again."""
        for site, (key, delivery) in answers.items():
            self.board.recall(site, key, delivery)

    def _lead_round(self) -> bool:
        """Lead one round from its opening to its closing; return whether nobody stopped it.

        Its commit goes on while the next round begins.
        """
        opened = self._open()
        while opened.owing:
            if self._stopping.is_set():
                return False
            self._listen()
            self._settle(wait=False)
            self._attend(opened)
        self._settle(wait=True)
        self._opened = None
        joined = tuple(sorted(self._attendance.ever))
        closing = close(self._terms, self._aggregator, opened, self._standing, self._folder, joined)
        for note in closing.notes:
            self._observer(progress.Remark(note))
        self._committer.submit(closing)
        self._standing = closing.standing
        return True

    def _settle(self, *, wait: bool) -> None:
        """Where a round has been committed, let its sites and files go."""
        closing = self._committer.done(wait=wait)
        if closing is None:
            return
        self.board.release(closing.row.round)
        needed = self._blobs_of(self._opened) if self._opened else {}
        for blob in self._published - set(needed):
            self.board.retract(blob)
        self._published = set(needed)
        self._observer(progress.RoundEnded(closing.row))

    def _open(self) -> OpenRound:
        opened = open_round(
            self._terms,
            self._aggregator,
            self._standing,
            self._folder,
            self._admission,
            self._authorised(),
        )
        self._opened = opened
        self._attendance.ever |= opened.joined
        self._recall(opened.answers)
        for blob, path in self._blobs_of(opened).items():
            self.board.publish(blob, path)
            self._published.add(blob)
        self._opened_s = self._clock()
        begun = bool(opened.reports) or bool(self._attendance.present & set(opened.works))
        self._started_s = self._opened_s if begun else None
        for site in opened.owing:
            self.spool.clear(site)  # an upload that was under way when its work was withdrawn
            self.board.post(site, opened.works[site])
        arrived = tuple(sorted(opened.reports))
        self._observer(progress.RoundBegan(opened.round, opened.tasks, arrived))
        return opened

    def _blobs_of(self, opened: OpenRound) -> dict[BlobRef, Path]:
        """Return what the round's sites download."""
        blobs = {opened.served.blob: opened.served.path}
        if self._standing.optimizer is not None:
            blobs[self._standing.optimizer.blob] = self._folder.path_of(self._standing.optimizer)
        return blobs

    def _listen(self) -> None:
        """Take what happened; wait a moment where nothing did."""
        event = self.board.next_event(self._patience.poll_s)
        while event is not None:
            self._take(event)
            event = self.board.next_event(0)

    def _take(self, event: BoardEvent) -> None:
        match event:
            case Joined(site):
                self._joined(site)
            case Left(site, reason):
                self._attendance.went(site, self._clock())
                self._observer(progress.SiteLeft(site, reason))
            case Told(site, text):
                self._observer(progress.SiteTold(site, text))
            case Delivered():
                self._delivered(event)
            case Failed(site, work, reason):
                if self._owes(site, work.key):
                    self._drop(site, reason)

    def _joined(self, site: str) -> None:
        first = self._attendance.came(site)
        opened = self._opened
        if opened is not None:
            if first:
                opened.note_joined(site)
            if self._started_s is None and site in opened.owing:
                self._started_s = self._clock()
        self._observer(progress.SiteJoined(site))

    def _delivered(self, event: Delivered) -> None:
        opened = self._opened
        if opened is None or not self._owes(event.site, event.work.key):
            self._observer(progress.Late(event.site, event.work.round))
            return
        reason = opened.take(event.site, event.delivery)
        self.spool.clear(event.site)
        if reason:
            self._observer(progress.SiteDropped(event.site, opened.round, reason))
        else:
            self._observer(progress.SiteDelivered(opened.row(event.site)))

    def _owes(self, site: str, key: str) -> bool:
        opened = self._opened
        return opened is not None and site in opened.owing and opened.works[site].key == key

    def _drop(self, site: str, reason: str) -> None:
        opened = self._opened
        if opened is None:
            return
        opened.drop(site, reason)
        self.board.withdraw(site, reason)
        self.spool.clear(site)
        self._observer(progress.SiteDropped(site, opened.round, reason))

    def _attend(self, opened: OpenRound) -> None:
        """Drop whom the round need not wait for."""
        owing, now_s = opened.owing, self._clock()
        if not owing:
            return
        after_s = self._patience.lost_after_s
        lost = self._attendance.lost(owing, now_s, after_s)
        # Where another site still works, the lost one may yet come back at no cost.
        if lost == owing:
            if not opened.reports and not self._attendance.present and opened.round < self._terms.rounds:
                raise FederationError(
                    f"round {opened.round}: no site has been connected for {after_s:g} s, so nobody does its "
                    "work; start the aggregator again when sites can reach it: it goes on with this round"
                )
            for site in lost:
                self._drop(site, f"lost: not connected for {after_s:g} s")
            return
        verdict = self._terms.straggler.verdict(
            frozenset(owing), opened.done, self._opened_s, self._started_s, now_s
        )
        if isinstance(verdict, Drop):
            for site in sorted(verdict.sites & set(owing)):
                self._drop(site, verdict.reason)

    def _say_farewell(self) -> progress.Ended:
        ended = self._ended(())
        self.board.release(self._terms.rounds)
        self.board.finish(ended.text)
        untold = wait_for_readers(
            self.board,
            self._attendance,
            linger_s=self._patience.linger_s,
            clock=self._clock,
            listen=self._listen,
            stopping=self._stopping.is_set,
            observer=self._observer,
        )
        return self._ended(untold, tell=True)

    def _ended(self, untold: tuple[str, ...], tell: bool = False) -> progress.Ended:
        ended = how_it_ended(self._terms, self._standing, untold)
        if tell or not ended.finished:
            self._observer(ended)
        return ended
