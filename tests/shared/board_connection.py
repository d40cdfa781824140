"""A site's connection that is a board in the same process: the servicer's rules without a network."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from fl_core.tensors.checksum import file_checksum
from fl_core.transport.board import Board, Delivered, Refusal
from fl_core.transport.errors import ConnectionClosed, Refused
from fl_core.transport.messages import BlobRef, Delivery, Farewell, Instruction, Welcome


class BoardConnection:
    """One site at a board.

    Args:
        board: Where the work is posted.
        site: The site's name.
        spool: Where its uploads are put.
        beat_s: Seconds between two beats.
    """

    def __init__(self, board: Board, site: str, spool: Path, beat_s: float = 0.05) -> None:
        self.welcome = Welcome(1, site, beat_s, 1 << 20)
        self.beats: list[str] = []
        self.uploads: list[str] = []
        self.downloads: list[str] = []
        self.farewells = 0
        self._board = board
        self._site = site
        self._spool = spool
        self._closed = threading.Event()
        self._cut = threading.Event()
        spool.mkdir(parents=True, exist_ok=True)

    def cut(self) -> None:
        """Lose the stream of instructions; it comes back by itself."""
        self._cut.set()

    def instructions(self) -> Iterator[Instruction]:
        while not self._closed.is_set():
            for instruction in self._board.follow(self._site, wait_s=0.01):
                if self._closed.is_set():
                    break
                if self._cut.is_set():
                    self._cut.clear()
                    break
                if instruction is not None:
                    yield instruction
                if isinstance(instruction, Farewell):
                    return
        raise ConnectionClosed("closed")

    def download(self, blob: BlobRef) -> memoryview:
        self._check_open()
        try:
            path = self._board.blob_of(self._site, blob)
        except Refusal as refusal:
            raise Refused(str(refusal)) from refusal
        self.downloads.append(blob.checksum)
        return memoryview(path.read_bytes())

    def upload(self, path: Path, blob: BlobRef) -> None:
        self._check_open()
        try:
            self._board.expects_blobs(self._site)
        except Refusal as refusal:
            raise Refused(str(refusal)) from refusal
        assert path.stat().st_size == blob.size and file_checksum(path) == blob.checksum
        self.uploads.append(blob.checksum)
        self._file(blob).write_bytes(path.read_bytes())

    def deliver(self, delivery: Delivery) -> str:
        self._check_open()
        try:
            before = self._board.answered(self._site, delivery)
            if before is not None:
                return before
            work = self._board.expects_blobs(self._site)
            if delivery.failure:
                self._board.fail(self._site, work, delivery)
                return ""
            update = self._arrived(delivery.update)
            state = self._arrived(delivery.local_state)
            return self._board.deliver(Delivered(self._site, work, delivery, update, state))
        except Refusal as refusal:
            return str(refusal)

    def beat(self, text: str) -> None:
        self.beats.append(text)
        self._board.tell(self._site, text)

    def read_farewell(self) -> None:
        self.farewells += 1
        self._board.read_farewell(self._site)

    def close(self) -> None:
        self._closed.set()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise ConnectionClosed("closed")

    def _arrived(self, blob: BlobRef | None) -> Path | None:
        if blob is None:
            return None
        if not self._file(blob).is_file():
            raise Refusal(f"blob {blob.checksum} was not uploaded whole")
        return self._file(blob)

    def _file(self, blob: BlobRef) -> Path:
        return self._spool / f"{blob.checksum.removeprefix('xxh3:')}.safetensors"
