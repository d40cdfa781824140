"""The board: where a leader posts work for sites and takes what they hand in.

It knows no network. The servicer stands on its other side and calls it from many threads; the leader (a
federation's, or a harness's executor) reads one stream of events.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

from fl_core.errors import FederationError
from fl_core.transport.fingerprint import fingerprint
from fl_core.transport.messages import BlobRef, Delivery, Farewell, Instruction, Release, Withdrawal, Work


@dataclass(frozen=True)
class Joined:
    """A site agreed on the plan and waits for instructions."""

    site: str


@dataclass(frozen=True)
class Left:
    """A site's connection is gone, and why. It may come back."""

    site: str
    reason: str


@dataclass(frozen=True)
class Delivered:
    """A site handed in the results of the work it had; its blobs were checked against their checksums.

    Attributes:
        site: Who, by its certificate.
        work: The work.
        delivery: The results.
        update: File of what was trained; none where nothing was.
        local_state: File of what the site keeps; none where it stays there.
    """

    site: str
    work: Work
    delivery: Delivery
    update: Path | None = None
    local_state: Path | None = None


@dataclass(frozen=True)
class Failed:
    """A site could not do its work, or what it handed in was refused."""

    site: str
    work: Work
    reason: str


@dataclass(frozen=True)
class Told:
    """What a site says it does."""

    site: str
    text: str


BoardEvent = Joined | Left | Delivered | Failed | Told

Admission = Callable[[Delivered], str]
"""Looks at a delivery, in its call's thread; returns why it does not count, empty where it does."""


class Refusal(FederationError):
    """A delivery or request that does not fit what was posted; the site is told why."""


@dataclass(eq=False)
class Session:
    """One call by which a site follows its instructions.

    Attributes:
        ended: Why it is over; empty while it is not.
    """

    ended: str = ""


@dataclass
class _Desk:
    """What the board holds for one site."""

    work: Work | None = None
    pending: list[Instruction] = field(default_factory=list)
    session: Session | None = None
    joined: bool = False
    answered: dict[str, tuple[str, str]] = field(default_factory=dict)
    farewell_read: bool = False

    def answer_to(self, delivery: Delivery) -> str | None:
        """Return the answer that the same delivery had; None where it had none."""
        before = self.answered.get(delivery.key)
        if before is None or before[0] != fingerprint(delivery):
            return None
        return before[1]


class Board:
    """Posts, withdraws, releases; takes deliveries. Every method may be called from any thread.

    Args:
        admit: Looks at every delivery before it counts.

    Example:
        >>> board = Board()
        >>> work = Work("0", 0, ("train",), BlobRef("xxh3:" + "0" * 32, 8))
        >>> board.post("a", work)
        >>> following = board.follow("a", wait_s=0.1)
        >>> next(following) == work
        True
        >>> board.deliver(Delivered("a", work, Delivery("0", 0)))
        ''
        >>> [type(board.next_event(0)).__name__ for _ in range(2)]
        ['Joined', 'Delivered']
    """

    def __init__(self, admit: Admission = lambda delivered: "") -> None:
        self._admit = admit
        self._changed = threading.Condition()
        self._desks: dict[str, _Desk] = {}
        self._blobs: dict[str, Path] = {}
        self._events: queue.SimpleQueue[BoardEvent] = queue.SimpleQueue()
        self._farewell: Farewell | None = None
        self._released: Release | None = None

    # The leader's side.

    def publish(self, blob: BlobRef, path: Path) -> None:
        """Let sites whose work names the blob download it."""
        with self._changed:
            self._blobs[blob.checksum] = path

    def retract(self, blob: BlobRef) -> None:
        """No longer hand out a blob; downloads that are under way go on."""
        with self._changed:
            self._blobs.pop(blob.checksum, None)

    def post(self, site: str, work: Work) -> None:
        """Give a site its work; it takes the place of an earlier one, and is told again after a reconnect."""
        with self._changed:
            desk = self._desk(site)
            desk.work = work
            desk.answered.pop(work.key, None)
            desk.pending = [i for i in desk.pending if not isinstance(i, Work)] + [work]
            self._changed.notify_all()

    def withdraw(self, site: str, reason: str) -> None:
        """Take back a site's work; what it hands in for it is refused with the reason."""
        with self._changed:
            desk = self._desk(site)
            if desk.work is not None:
                desk.pending = [i for i in desk.pending if not isinstance(i, Work)]
                desk.pending.append(Withdrawal(desk.work.key, reason))
                desk.work = None
                self._changed.notify_all()

    def recall(self, site: str, key: str, delivery: str) -> None:
        """Remember, after a restart, a delivery that counted: repeated, it has the answer that it had.

        Args:
            site: Who handed it in.
            key: Of its work.
            delivery: Its fingerprint.
        """
        with self._changed:
            self._desk(site).answered[key] = delivery, ""

    def release(self, round: int) -> None:
        """Tell all sites that results of rounds up to this one are safe here."""
        with self._changed:
            self._released = Release(round)
            for desk in self._desks.values():
                desk.pending = [i for i in desk.pending if not isinstance(i, Release)] + [self._released]
            self._changed.notify_all()

    def finish(self, text: str) -> None:
        """Tell all sites, now and whenever one comes back, that the federation is over."""
        with self._changed:
            self._farewell = Farewell(text)
            for desk in self._desks.values():
                desk.work = None
            self._changed.notify_all()

    def next_event(self, timeout_s: float | None = None) -> BoardEvent | None:
        """Return what happened next; None when nothing did for so long."""
        try:
            return self._events.get(timeout=timeout_s) if timeout_s != 0 else self._events.get_nowait()
        except queue.Empty:
            return None

    def present(self) -> tuple[str, ...]:
        """Return the sites that are connected, in name order."""
        with self._changed:
            return tuple(sorted(site for site, desk in self._desks.items() if desk.session is not None))

    def untold(self) -> tuple[str, ...]:
        """Return the sites that joined and have not read the farewell, in name order."""
        with self._changed:
            return tuple(
                sorted(s for s, desk in self._desks.items() if desk.joined and not desk.farewell_read)
            )

    # The servicer's side.

    def follow(
        self, site: str, wait_s: float, session: Session | None = None
    ) -> Generator[Instruction | None, None, None]:
        """Yield a site's instructions as they come; None each time `wait_s` passed without one.

        A newer call of the same site ends an older one: the site came back before its old connection was
        seen to be dead. It ends after the farewell, or when somebody hangs up.
        """
        session = session or Session()
        with self._changed:
            desk = self._desk(site)
            if desk.session is not None:
                desk.session.ended = "it came back by another connection"
            desk.session, desk.joined = session, True
            desk.pending = [
                *([self._released] if self._released else []),
                *([desk.work] if desk.work else []),
            ]
            self._changed.notify_all()
        self._events.put(Joined(site))
        try:
            over = False
            while not over and not session.ended:
                instructions, over = self._next_instructions(desk, session, wait_s)
                yield from instructions
            session.ended = session.ended or "the federation is over"
        finally:
            self._leave(site, desk, session)

    def hang_up(self, session: Session, reason: str) -> None:
        """End a session from outside: its connection is gone, or the site is silent."""
        with self._changed:
            session.ended = session.ended or reason
            self._changed.notify_all()

    def _next_instructions(
        self, desk: _Desk, session: Session, wait_s: float
    ) -> tuple[list[Instruction | None], bool]:
        """Wait for instructions; return them, and whether the last one is the farewell."""
        with self._changed:
            if not desk.pending and not self._farewell and not session.ended:
                self._changed.wait(wait_s)
            if session.ended:
                return [], True
            pending: list[Instruction | None] = [*desk.pending]
            desk.pending = []
            if self._farewell:
                return [*pending, self._farewell], True
            return pending or [None], False

    def _leave(self, site: str, desk: _Desk, session: Session) -> None:
        with self._changed:
            gone = desk.session is session
            if gone:
                desk.session = None
        if gone:
            self._events.put(Left(site, session.ended or "it closed the connection"))

    def blob_of(self, site: str, blob: BlobRef) -> Path:
        """Return the file of a blob that the site's work names.

        Raises:
            Refusal: Its work names no such blob; no site can fetch what is another's.
        """
        with self._changed:
            work = self._desk(site).work
            named = (work.model, work.extras, work.local_state) if work else ()
            path = self._blobs.get(blob.checksum)
            if blob not in named or path is None:
                raise Refusal(f"blob {blob.checksum} belongs to no work of {site}")
            return path

    def expects_blobs(self, site: str) -> Work:
        """Return the work for which a site may upload.

        Raises:
            Refusal: The site has no work.
        """
        with self._changed:
            work = self._desk(site).work
        if work is None:
            raise Refusal(f"{site} has no work, so there is nothing to upload")
        return work

    def answered(self, site: str, delivery: Delivery) -> str | None:
        """Return the answer that the same delivery had before; None where it is new.

        Raises:
            Refusal: Another delivery for the same work was accepted, or the work is not the site's.
        """
        with self._changed:
            desk = self._desk(site)
            before = desk.answer_to(delivery)
            if before is not None:
                return before
            if delivery.key in desk.answered:
                raise Refusal(f"work {delivery.key} was handed in before, with other results")
            if desk.work is None or desk.work.key != delivery.key:
                raise Refusal(_not_wanted(site, delivery, desk.work))
            if desk.work.round != delivery.round:
                raise Refusal(f"work {delivery.key} is of round {desk.work.round}, not {delivery.round}")
            return None

    def deliver(self, delivered: Delivered) -> str:
        """Take a delivery whose blobs are here; return why it does not count, empty where it does."""
        reason = self._admit(delivered)
        with self._changed:
            desk = self._desk(delivered.site)
            before = desk.answer_to(delivered.delivery)
            if before is not None:  # the same, by a call that came while this one was looked at
                return before
            if desk.work is None or desk.work.key != delivered.work.key:
                return _not_wanted(delivered.site, delivered.delivery, desk.work)
            desk.work = None
            desk.answered = {delivered.work.key: (fingerprint(delivered.delivery), reason)}
        self._events.put(Failed(delivered.site, delivered.work, reason) if reason else delivered)
        return reason

    def fail(self, site: str, work: Work, delivery: Delivery) -> None:
        """Note that a site could not do its work."""
        with self._changed:
            desk = self._desk(site)
            if desk.work is None or desk.work.key != work.key:
                return
            desk.work = None
            desk.answered = {work.key: (fingerprint(delivery), "")}
        self._events.put(Failed(site, work, f"the site says: {delivery.failure}"))

    def read_farewell(self, site: str) -> None:
        """Note that a site knows, for good, that the federation is over."""
        with self._changed:
            self._desk(site).farewell_read = True
            self._changed.notify_all()

    def tell(self, site: str, text: str) -> None:
        """Note what a site says it does."""
        self._events.put(Told(site, text))

    def _desk(self, site: str) -> _Desk:
        return self._desks.setdefault(site, _Desk())


def _not_wanted(site: str, delivery: Delivery, work: Work | None) -> str:
    now = f"its work now is {work.key} of round {work.round}" if work else "it has no work now"
    return f"results of {site} for work {delivery.key}, round {delivery.round}, are not wanted: {now}"
