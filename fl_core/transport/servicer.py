"""The aggregator's answers to the protocol's calls: between the network and the board."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import grpc

from fl_core.errors import FederationError
from fl_core.transport import federation_pb2 as pb
from fl_core.transport.board import Board, Delivered, Refusal, Session
from fl_core.transport.gate import CallRefused, Gate
from fl_core.transport.limits import Limits
from fl_core.transport.messages import BlobRef, Delivery, Welcome, Work
from fl_core.transport.methods import NEWEST_VERSION, OLDEST_VERSION
from fl_core.transport.parts import Part, part_bytes, part_of, parts_of
from fl_core.transport.source import open_file
from fl_core.transport.spool import Spool
from fl_core.transport.wire import (
    MessageError,
    TransferError,
    blob_of,
    delivery_of,
    instruction_message,
    printable,
    welcome_message,
)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FederationServicer:
    """Serves the calls of sites.

    Args:
        board: Where work is posted and results go.
        spool: Where uploads lie.
        gate: Who may call.
        plan: Hash of the plan that every site must have.
        limits: How much a site may ask for.
        clock: Seconds, rising.
    """

    def __init__(
        self,
        board: Board,
        spool: Spool,
        gate: Gate,
        plan: str,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board = board
        self._spool = spool
        self._gate = gate
        self._plan = plan
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._heard: dict[str, float] = {}
        self._sessions: dict[str, Session] = {}

    def join(self, request: pb.JoinRequest, context: Any) -> pb.JoinReply:
        """Agree on plan and version."""
        with self._serve(context, "Join", joined=False) as site:
            if request.plan != self._plan:
                raise CallRefused(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"plan mismatch: the aggregator's plan is {self._plan}, that of {site} is "
                    f"{printable(request.plan[:100])}; import the workspace that the aggregator exported "
                    "last",
                )
            version = min(request.newest, NEWEST_VERSION)
            if version < max(request.oldest, OLDEST_VERSION):
                raise CallRefused(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"{site} speaks versions {request.oldest} to {request.newest} of the protocol, the "
                    f"aggregator {OLDEST_VERSION} to {NEWEST_VERSION}; update the older of the two",
                )
            with self._lock:
                self._heard[site] = self._clock()
            return welcome_message(Welcome(version, site, self._limits.beat_s, self._limits.part_bytes))

    def follow(self, request: pb.FollowRequest, context: Any) -> Iterator[pb.Instruction]:
        """Bring instructions as they come."""
        with self._serve(context, "Follow") as site:
            session = Session()
            with self._lock:
                self._sessions[site] = session
            context.add_callback(lambda: self._board.hang_up(session, "its connection closed"))
            with closing(self._board.follow(site, self._limits.beat_s, session)) as instructions:
                for instruction in instructions:
                    self._check_again(context, session)
                    yield instruction_message(instruction)

    def download(self, request: pb.DownloadRequest, context: Any) -> Iterator[bytes]:
        """Send a blob that the caller's work names."""
        with self._serve(context, "Download") as site:
            blob = blob_of(request.blob)
            path = self._board.blob_of(site, blob)
            with open_file(path) as source:
                for part in parts_of(source, request.offset, blob.size, self._limits.part_bytes):
                    yield part_bytes(part)

    def upload(self, requests: Iterator[bytes], context: Any) -> pb.Stored:
        """Take a blob for the caller's work."""
        with self._serve(context, "Upload") as site:
            parts = (part_of(request) for request in requests)
            first = next(parts, None)
            if first is None or first.blob is None:
                raise MessageError("the first part of an upload names no blob")
            self._check_size(site, first.blob)
            return pb.Stored(bytes=self._spool.receive(site, first.blob, _after(first, parts)))

    def how_far(self, request: pb.Blob, context: Any) -> pb.Stored:
        """Tell how much of a blob is here."""
        with self._serve(context, "HowFar") as site:
            return pb.Stored(bytes=self._spool.how_far(site, blob_of(request)))

    def deliver(self, request: pb.Delivery, context: Any) -> pb.Verdict:
        """Take the results of the caller's work."""
        with self._serve(context, "Deliver") as site:
            delivery = delivery_of(request)
            before = self._board.answered(site, delivery)
            if before is not None:
                return pb.Verdict(refused=before)
            work = self._board.expects_blobs(site)
            if delivery.failure:
                self._board.fail(site, work, delivery)
                return pb.Verdict()
            return pb.Verdict(refused=self._board.deliver(self._delivered(site, work, delivery)))

    def beat(self, request: pb.Progress, context: Any) -> pb.BeatReply:
        """Note that the caller is alive."""
        with self._serve(context, "Beat") as site:
            if request.read_farewell:
                self._board.read_farewell(site)
            if request.text:
                self._board.tell(site, printable(request.text[:200]))
            return pb.BeatReply()

    def undecodable(self, context: Any, method: str, request: bytes) -> None:
        """End a call whose request is no message."""
        reason = f"a request of {len(request)} bytes that is no message of the protocol"
        refused = CallRefused(grpc.StatusCode.INVALID_ARGUMENT, reason)
        self._gate.note(context, method, refused)
        context.abort(refused.code, reason)

    def hang_up_on_the_silent(self) -> None:
        """End the sessions of sites that said nothing for too long; to be called now and then."""
        self._gate.tick()
        now = self._clock()
        with self._lock:
            silent = [
                (session, now - self._heard.get(site, now))
                for site, session in self._sessions.items()
                if now - self._heard.get(site, now) > self._limits.silent_s
            ]
        for session, since in silent:
            self._board.hang_up(session, f"it said nothing for {since:.0f} s")

    def _delivered(self, site: str, work: Work, delivery: Delivery) -> Delivered:
        update = self._spool.take(site, delivery.update) if delivery.update else None
        state = self._spool.take(site, delivery.local_state) if delivery.local_state else None
        return Delivered(site, work, delivery, update, state)

    def _check_again(self, context: Any, session: Session) -> None:
        """See that a site may still call: its certificate or name may be taken back while it follows."""
        try:
            self._gate.check(context)
        except CallRefused as refused:
            self._board.hang_up(session, str(refused))
            raise

    def _check_size(self, site: str, blob: BlobRef) -> None:
        limits, model = self._limits, self._board.expects_blobs(site).model
        most = min(limits.files.total_bytes, limits.models * model.size + limits.spare_bytes)
        if blob.size > most:
            raise MessageError(
                f"a blob of {blob.size} bytes; at most {most} are taken for a model of {model.size} bytes"
            )

    @contextmanager
    def _serve(self, context: Any, method: str, joined: bool = True) -> Iterator[str]:
        """Yield the caller's name; turn what goes wrong into the call's status."""
        try:
            with self._gate.enter(context, method) as site, _named_refusals():
                with self._lock:
                    known = site in self._heard
                    if known:
                        self._heard[site] = self._clock()
                if joined and not known:
                    raise CallRefused(grpc.StatusCode.ABORTED, "join first: the aggregator was started again")
                yield site
        except CallRefused as refused:
            context.abort(refused.code, str(refused))


@contextmanager
def _named_refusals() -> Iterator[None]:
    try:
        yield
    except TransferError as error:
        raise CallRefused(grpc.StatusCode.ABORTED, str(error)) from error
    except MessageError as error:
        raise CallRefused(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
    except Refusal as error:
        raise CallRefused(grpc.StatusCode.NOT_FOUND, str(error)) from error
    except OSError as error:
        full = error.errno in _FULL
        reason = (
            "the aggregator's disk is full" if full else f"the aggregator's disk: {error.strerror or error}"
        )
        raise CallRefused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason) from error
    except CallRefused:
        raise
    except FederationError as error:
        raise CallRefused(grpc.StatusCode.FAILED_PRECONDITION, str(error)) from error


def _after(first: Part, rest: Iterator[Part]) -> Iterator[Part]:
    yield first
    yield from rest
