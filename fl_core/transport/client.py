"""A site's connection to the aggregator: a call is tried again until it succeeds, or is refused for good."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import grpc
import numpy as np
import xxhash

from fl_core.transport import federation_pb2 as pb
from fl_core.transport import methods
from fl_core.transport.attempts import Attempts, Failures
from fl_core.transport.errors import Refused
from fl_core.transport.limits import ROOM
from fl_core.transport.messages import BlobRef, Delivery, Farewell, Instruction, Welcome
from fl_core.transport.methods import NEWEST_VERSION, OLDEST_VERSION, Method
from fl_core.transport.parts import Part, part_bytes, part_of, parts_of
from fl_core.transport.retry import RetryPolicy
from fl_core.transport.source import Source, open_file
from fl_core.transport.stalls import StallWatch, Watched
from fl_core.transport.wire import (
    MessageError,
    TransferError,
    blob_message,
    delivery_message,
    instruction_of,
    welcome_of,
)

log = logging.getLogger(__name__)

SHORT_S: Final = 30.0
"""Seconds for a call that moves no arrays."""
CHECKED_S: Final = 600.0
"""Seconds for a delivery: the aggregator reads a whole update to check it."""
STALLED_S: Final = 30.0
"""Seconds without a part after which a transfer is broken off, and goes on by a new call."""
_SILENT_BEATS: Final = 3


class SiteConnection:
    """A site's side of the protocol.

    Every method may be called from any thread. Lost connections, time-outs and a restarted aggregator are
    tried again by the policy, with a line in the log for each attempt; what the aggregator refuses is not.

    Args:
        channel: To the aggregator; it is closed with the connection.
        plan: Hash of this site's plan.
        policy: How often a call is tried again.
        explain: Tells why trying again is of no use after an error (certificates); empty where it is of use.
        draw: Uniform numbers in [0, 1), for the waits.
        clock: Seconds, rising.
        stalled_s: Seconds without a part after which a transfer is broken off.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        plan: str,
        policy: RetryPolicy,
        *,
        explain: Callable[[grpc.RpcError], str] = lambda error: "",
        draw: Callable[[], float] = lambda: 0.5,
        clock: Callable[[], float] = time.monotonic,
        stalled_s: float = STALLED_S,
    ) -> None:
        self._channel = channel
        self._plan = plan
        self._stalled_s = stalled_s
        self._closed = threading.Event()
        self._attempts = Attempts(policy, explain, draw, clock, self._closed)
        self._watch = StallWatch(clock)
        self._calls: dict[Method, Any] = {method: _callable(channel, method) for method in methods.METHODS}
        self.welcome = Welcome(NEWEST_VERSION, "", 10.0, 1 << 20)

    def join(self) -> Welcome:
        """Agree with the aggregator on plan and version.

        Raises:
            Refused: The plan differs, the name is not on the list, the certificate is not accepted.
            GaveUp: It could not be reached.
            ConnectionClosed: `close` was called.
        """
        request = pb.JoinRequest(oldest=OLDEST_VERSION, newest=NEWEST_VERSION, plan=self._plan)
        self.welcome = welcome_of(self._attempts.run("join", lambda: self._short(methods.JOIN, request)))
        return self.welcome

    def instructions(self) -> Iterator[Instruction]:
        """Yield instructions until the farewell; joins, and joins again after every lost connection.

        Raises:
            Refused, GaveUp, ConnectionClosed: See `join`.
        """
        failures = Failures()
        while True:
            self.join()
            error: grpc.RpcError | MessageError = TransferError("the stream of instructions ended")
            try:
                for instruction in self._follow():
                    failures = Failures()
                    if instruction is not None:
                        yield instruction
                    if isinstance(instruction, Farewell):
                        return
            except (grpc.RpcError, MessageError) as caught:
                error = caught
            self._attempts.wait_after("follow", error, failures)

    def download(self, blob: BlobRef) -> memoryview:
        """Return a whole blob, its checksum verified.

        Raises:
            Refused: It is not (any longer) this site's to have, or does not fit into this machine's memory.
            GaveUp: It could not be fetched.
            ConnectionClosed: `close` was called.
        """
        try:
            content = np.empty(blob.size, np.uint8).data
        except (MemoryError, ValueError) as error:
            raise Refused(f"a blob of {blob.size} bytes does not fit into this machine's memory") from error
        done = [0]
        self._attempts.run("download", lambda: self._download(blob, content, done), lambda: done[0])
        return content.toreadonly()

    def upload(self, source: Path | Source, blob: BlobRef) -> None:
        """Send a blob from a file or from memory.

        Raises:
            Refused: The aggregator does not want it.
            GaveUp: It could not be sent.
            ConnectionClosed: `close` was called.
            OSError: The file cannot be read.
        """
        if isinstance(source, Path):
            with open_file(source) as file:
                self.upload(file, blob)
            return
        stored = [-1]
        self._attempts.run("upload", lambda: self._upload(source, blob, stored), lambda: stored[0])

    def deliver(self, delivery: Delivery) -> str:
        """Hand in results, whose blobs were uploaded before; return why they do not count (empty: they do).

        Raises:
            GaveUp: The aggregator could not be reached.
            ConnectionClosed: `close` was called.
        """
        request = delivery_message(delivery)
        most = self.welcome.part_bytes + ROOM
        if request.ByteSize() > most:
            return f"the results without arrays take {request.ByteSize()} bytes; at most {most} are taken"
        try:
            verdict = self._attempts.run(
                "deliver", lambda: self._calls[methods.DELIVER](request, timeout=CHECKED_S)
            )
        except Refused as refused:
            return str(refused)
        return str(verdict.refused)

    def beat(self, text: str) -> None:
        """Tell that the site is alive, and what it does. A beat that does not arrive is not missed."""
        self._beat(pb.Progress(text=text))

    def read_farewell(self) -> None:
        """Tell that this site knows, for good, that the federation is over."""
        self._beat(pb.Progress(read_farewell=True))

    def give_up_after(self, seconds: float) -> None:
        """From now on, try an aggregator that cannot be reached for no longer than so many seconds."""
        policy = self._attempts.policy
        self._attempts.policy = replace(policy, gives_up_after_s=min(seconds, policy.gives_up_after_s))

    def close(self) -> None:
        """End all calls, in other threads too; safe to call twice."""
        self._closed.set()
        self._watch.close()
        self._channel.close()

    def _beat(self, progress: pb.Progress) -> None:
        if self._closed.is_set():
            return
        try:
            self._short(methods.BEAT, progress)
        except (grpc.RpcError, ValueError) as error:  # ValueError: the channel was closed meanwhile
            log.debug("a beat did not arrive: %s", error)

    def _short(self, method: Method, request: Any) -> Any:
        return self._calls[method](request, timeout=SHORT_S)

    def _follow(self) -> Iterator[Instruction | None]:
        with self._watch.over(_SILENT_BEATS * self.welcome.beat_s) as watched:
            watched.call = call = self._calls[methods.FOLLOW](pb.FollowRequest())
            for message in call:
                watched.alive()
                yield instruction_of(message)

    def _download(self, blob: BlobRef, content: memoryview, done: list[int]) -> None:
        with self._watch.over(self._stalled_s) as watched:
            request = pb.DownloadRequest(blob=blob_message(blob), offset=done[0])
            watched.call = call = self._calls[methods.DOWNLOAD](request)
            try:
                for message in call:
                    watched.alive()
                    _take(part_of(message), content, done)
            finally:
                call.cancel()
        if done[0] < blob.size:
            raise TransferError(f"the blob ended at byte {done[0]} of {blob.size}")
        if f"xxh3:{xxhash.xxh3_128_hexdigest(content)}" != blob.checksum:
            done[0] = 0
            raise TransferError("the blob that came has another checksum; it is fetched anew")

    def _upload(self, source: Source, blob: BlobRef, stored: list[int]) -> None:
        if stored[0] < 0:
            stored[0] = 0
        else:
            stored[0] = self._short(methods.HOW_FAR, blob_message(blob)).bytes
        if stored[0] < blob.size or not blob.size:
            with self._watch.over(self._stalled_s) as watched:
                parts = self._parts(source, blob, stored[0], watched)
                watched.call = call = self._calls[methods.UPLOAD].future(parts)
                try:
                    stored[0] = call.result().bytes
                except grpc.FutureCancelledError as error:  # by the watch or by `close`; it is no RpcError
                    raise TransferError("the upload was broken off") from error
        if stored[0] != blob.size:
            raise TransferError(f"the aggregator has {stored[0]} of {blob.size} bytes")

    def _parts(self, source: Source, blob: BlobRef, offset: int, watched: Watched) -> Iterator[bytes]:
        named: BlobRef | None = blob
        if offset == blob.size:
            yield part_bytes(Part(offset, b"", xxhash.xxh3_64_intdigest(b""), named))
        for part in parts_of(source, offset, blob.size, self.welcome.part_bytes):
            watched.alive()
            yield part_bytes(Part(part.offset, part.data, part.checksum, named))
            named = None


def _take(part: Part, content: memoryview, done: list[int]) -> None:
    part.check()
    end = part.offset + len(part.data)
    if part.offset != done[0] or end > len(content):
        raise TransferError(f"a part at byte {part.offset} where byte {done[0]} is next")
    content[part.offset : end] = part.data
    done[0] = end


def _callable(channel: grpc.Channel, method: Method) -> Any:
    make: Any = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
    }[method.requests, method.replies]
    return make(
        method.path, request_serializer=method.request_coding[0], response_deserializer=method.reply_coding[1]
    )
