"""Sites that are threads on a board: real collaborators, real files, no network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import xxhash

from fl_core.collaborator.loop import Collaborator
from fl_core.compression.exchange import RESIDUAL_PREFIX, Exchange
from fl_core.errors import TensorError
from fl_core.executor.base import SiteJob, SiteReport
from fl_core.federation.travelling import encoded_form, file_form
from fl_core.tensors import Array, Tensors
from fl_core.tensors.checksum import file_checksum
from fl_core.tensors.spooled import SpooledTensors, write_stream
from fl_core.transport.board import Board, Delivered, Refusal
from fl_core.transport.messages import BlobRef, Delivery, Farewell, Instruction, Release, Withdrawal, Work
from fl_core.transport.parts import Part
from fl_core.transport.spool import Spool

Change = Callable[[Work, SiteReport], SiteReport | None]
"""Alters what a site hands in, for sites that misbehave; None hands in nothing."""


class BoardSite:
    """One site. It keeps what it did until it is released, and answers a repeated work from that.

    Args:
        collaborator: Does the work.
        exchange: How models and updates travel.
        folder: The site's own.
        change: What it does to its reports.
        reads_farewell: Whether it tells that it knows of the end.
        shares_local_state: Whether what it keeps leaves with the results.
    """

    def __init__(
        self,
        collaborator: Collaborator,
        exchange: Exchange,
        folder: Path,
        *,
        change: Change = lambda work, report: report,
        reads_farewell: bool = True,
        shares_local_state: bool = False,
    ) -> None:
        self.collaborator = collaborator
        self.site = collaborator.name
        self.done: list[str] = []
        self.answers: list[str] = []
        self.heard: list[Instruction] = []
        self.error: BaseException | None = None
        self._exchange = exchange
        self._folder = folder
        self._change = change
        self._reads_farewell = reads_farewell
        self._shares_local_state = shares_local_state
        self._kept: dict[str, tuple[Delivery, list[Path]]] = {}
        self._local_state: dict[int, dict[str, Array]] = {}
        self._leaving = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)

    def connect(self, board: Board, spool: Spool) -> None:
        """Follow a board, the first or, after a restart, another one."""
        self._leaving = threading.Event()
        worker = threading.Thread(target=self._follow, args=(board, spool, self._leaving), daemon=True)
        worker.start()
        self.worker = worker

    def leave(self) -> None:
        """Cut the connection."""
        self._leaving.set()
        self.worker.join(10)

    def _follow(self, board: Board, spool: Spool, leaving: threading.Event) -> None:
        try:
            following = board.follow(self.site, 0.02)
            for told in following:
                if leaving.is_set():
                    following.close()
                    return
                if told is not None:
                    self.heard.append(told)
                match told:
                    case Work():
                        self._work(told, board, spool)
                    case Release(round):
                        self._release(round)
                    case Farewell():
                        if self._reads_farewell:
                            board.read_farewell(self.site)
                        return
                    case Withdrawal() | None:
                        pass
        except BaseException as error:  # noqa: BLE001 - the test's thread looks at it
            self.error = error

    def _work(self, work: Work, board: Board, spool: Spool) -> None:
        if work.key not in self._kept:
            self.done.append(work.key)
            try:
                performed = self._perform(work, board)
            except (Refusal, TensorError) as error:  # the work was withdrawn, and its files with it
                self.answers.append(f"refused: {error}")
                return
            report = self._change(work, performed)
            if report is None:
                return
            self._kept[work.key] = self._packed(work, report)
        delivery, files = self._kept[work.key]
        self.answers.append(hand_in(board, spool, self.site, work, delivery, files))

    def _perform(self, work: Work, board: Board) -> SiteReport:
        sent = SpooledTensors(board.blob_of(self.site, work.model))
        self._base = self._exchange.unpack_model(encoded_form(dict(sent), sent.metadata))
        extras: Tensors = {}
        if work.extras is not None:
            extras = dict(SpooledTensors(board.blob_of(self.site, work.extras)))
        known = [round for round in self._local_state if round < work.round]
        state: Tensors = self._local_state[max(known)] if known else {}
        if work.local_state is not None:
            state = dict(SpooledTensors(board.blob_of(self.site, work.local_state)))
        self._residual = {
            name.removeprefix(RESIDUAL_PREFIX): array
            for name, array in state.items()
            if name.startswith(RESIDUAL_PREFIX)
        }
        own = {name: array for name, array in state.items() if not name.startswith(RESIDUAL_PREFIX)}
        job = SiteJob(self.site, work.round, work.tasks, work.settings, extras, own, work.local_names)
        return self.collaborator.perform(job, self._base)

    def _packed(self, work: Work, report: SiteReport) -> tuple[Delivery, list[Path]]:
        packed = self._exchange.pack_update(
            report.tensors, self._base, site=self.site, round=work.round, residual=self._residual
        )
        residual = {RESIDUAL_PREFIX + name: array for name, array in packed.residual.items()}
        self._local_state[work.round] = {**report.local_state, **residual}
        delivery = Delivery(work.key, work.round, report.reports, wall_s=report.wall_s)
        files: list[Path] = []
        if self._shares_local_state:
            files.append(self._folder / f"{work.round}-state.safetensors")
            written = write_stream(files[0], self._local_state[work.round])
            delivery = replace(delivery, local_state=BlobRef(written.checksum, written.size))
        if not report.tensors:
            return delivery, files
        path = self._folder / f"{work.round}.safetensors"
        written = write_stream(path, *file_form(packed.encoded))
        return replace(delivery, update=BlobRef(written.checksum, written.size)), [path, *files]

    def _release(self, round: int) -> None:
        self._kept = {key: kept for key, kept in self._kept.items() if kept[0].round > round}


def hand_in(
    board: Board, spool: Spool, site: str, work: Work, delivery: Delivery, files: Iterable[Path] = ()
) -> str:
    """Upload and deliver as the servicer does; return the answer, or why the delivery was refused."""
    try:
        answer = board.answered(site, delivery)
        if answer is not None:
            return answer
        if delivery.failure:
            board.fail(site, work, delivery)
            return ""
        board.expects_blobs(site)
        contents = {file_checksum(path): path.read_bytes() for path in files}
        taken = []
        for blob in (delivery.update, delivery.local_state):
            if blob is not None:
                data = contents[blob.checksum][spool.how_far(site, blob) :]
                if data:
                    part = Part(blob.size - len(data), data, xxhash.xxh3_64_intdigest(data))
                    spool.receive(site, blob, iter([part]))
            taken.append(spool.take(site, blob) if blob else None)
        return board.deliver(Delivered(site, work, delivery, *taken))
    except Refusal as error:
        return f"refused: {error}"


@contextmanager
def connected(board: Board, spool: Spool, sites: Iterable[BoardSite]) -> Iterator[None]:
    """Connect sites for as long as the block lasts."""
    sites = list(sites)
    for site in sites:
        site.connect(board, spool)
    try:
        yield
    finally:
        for site in sites:
            site.leave()
