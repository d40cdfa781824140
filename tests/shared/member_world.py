"""A leader's side of a board, and a member that lives on the other side of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from board_connection import BoardConnection

from fl_core.collaborator.loop import Collaborator
from fl_core.collaborator.settings import CollaboratorSettings, OptTreatment, TaskSpec
from fl_core.compression.exchange import Exchange
from fl_core.executor.base import SiteJob, SiteReport
from fl_core.federation.kept import open_kept
from fl_core.federation.member import Member
from fl_core.task_runner.plus_one import open_source
from fl_core.tensors import Tensors
from fl_core.tensors.codec import read_file
from fl_core.tensors.spooled import write_stream
from fl_core.transport.board import Board, BoardEvent, Delivered, Failed
from fl_core.transport.messages import BlobRef, Work

PLAN = "sha256:" + "0" * 64
TASKS = {
    "train": TaskSpec("train"),
    "validate": TaskSpec("validate", settings={"rows": True}),
    "local": TaskSpec("validate", "local"),
}
Perform = Callable[[SiteJob, Tensors], SiteReport]


def performing(opt: OptTreatment = OptTreatment.RESET, pause_s: float = 0.0) -> Perform:
    settings = CollaboratorSettings(TASKS, 0, opt)
    source = open_source({"shapes": {"w": [2, 3]}, "pause_s": pause_s})
    return lambda job, model: Collaborator(job.site, source.open(job.site), settings).perform(job, model)


class World:
    """A leader's side, and what one site lives from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.board = Board()
        self.connection = BoardConnection(self.board, "a", folder / "spool")
        self.error: BaseException | None = None
        self.farewell = ""

    def blob(self, tensors: Tensors, metadata: Any = None) -> BlobRef:
        path = self.folder / f"blob-{len(list(self.folder.glob('blob-*')))}"
        written = write_stream(path, tensors, metadata)
        blob = BlobRef(written.checksum, written.size)
        self.board.publish(blob, path)
        return blob

    def work(
        self, round: int = 0, value: float = 0.0, tasks: tuple[str, ...] = ("train",), **more: Any
    ) -> Work:
        model = self.blob({"w": np.full((2, 3), value, np.float32)})
        return Work(f"k-{round}", round, tasks, model, **more)

    def member(self, perform: Perform | None = None, **more: Any) -> Callable[[], None]:
        def live() -> None:
            try:
                with open_kept(self.folder / "state", PLAN) as kept:
                    self.farewell = Member(
                        "a",
                        perform or performing(),
                        self.connection,
                        kept,
                        **{"exchange": Exchange(0), **more},
                    ).run()
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                self.error = error

        return live

    @contextmanager
    def living(self, perform: Perform | None = None, **more: Any) -> Iterator[threading.Thread]:
        thread = threading.Thread(target=self.member(perform, **more), daemon=True)
        thread.start()
        yield thread
        self.board.finish("all rounds are over")
        thread.join(20)
        assert not thread.is_alive()

    def kill(self, thread: threading.Thread) -> None:
        """End a member's life between two calls, as far as its connection goes, and give it a new one."""
        self.connection.close()
        thread.join(20)
        assert not thread.is_alive()
        self.error = None
        self.connection = BoardConnection(self.board, "a", self.folder / "spool")

    def next(self, kind: type[BoardEvent] = Delivered) -> Any:
        while True:
            event = self.board.next_event(20)
            assert event is not None, f"no {kind.__name__}; {self.error!r}"
            if isinstance(event, kind):
                return event
            assert isinstance(event, Failed) is False or kind is Failed, event


def weights(event: Delivered) -> Any:
    assert event.update is not None
    return read_file(event.update)[0]["w"]
