"""A member hands in the bytes that a simulation has: optimizers that stay, lossy codecs, error feedback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_connection import BoardConnection

from fl_core.collaborator.settings import CollaboratorSettings, OptTreatment, TaskSpec
from fl_core.compression.exchange import Exchange
from fl_core.compression.executor import CompressedExecutor
from fl_core.compression.fp16 import Float16
from fl_core.compression.ternary import Ternary
from fl_core.executor.base import SiteJob, SiteReport, WorkerSetup
from fl_core.executor.local import LocalExecutor
from fl_core.executor.worker import perform
from fl_core.federation.kept import open_kept
from fl_core.federation.member import Member
from fl_core.federation.travelling import encoded_form, file_form
from fl_core.task_runner.base import TaskContext, TaskOutput, TaskRunner
from fl_core.tensors import Tensors
from fl_core.tensors.codec import encode, read_file
from fl_core.tensors.spooled import write_stream
from fl_core.transport.board import Board, Delivered
from fl_core.transport.messages import BlobRef, Work

ROUNDS = 4


class MomentumRunner(TaskRunner):
    """Training that depends on the optimizer's history and on every element."""

    def __init__(self) -> None:
        self._w = np.zeros(64, np.float32)
        self._momentum: Any = None

    def tensors(self) -> dict[str, Any]:
        return {"w": self._w, "n": np.int64(3)}

    def load(self, tensors: Tensors) -> None:
        self._w = np.array(tensors["w"])

    def reset_optimizer(self) -> None:
        self._momentum = None

    def optimizer_tensors(self) -> dict[str, Any]:
        return {} if self._momentum is None else {"momentum": self._momentum}

    def load_optimizer(self, tensors: Tensors) -> None:
        self._momentum = np.array(tensors["momentum"])

    def train(self, context: TaskContext) -> TaskOutput:
        gradient = np.sin(np.arange(64, dtype=np.float32) + context.round) - 0.1 * self._w
        self._momentum = gradient if self._momentum is None else 0.9 * self._momentum + gradient
        self._w = (self._w + self._momentum).astype(np.float32)
        return TaskOutput({"loss": float(np.square(self._w).sum())}, 5)

    def validate(self, context: TaskContext) -> TaskOutput:
        return TaskOutput({"norm": float(np.square(self._w).sum())}, 2)


@dataclass(frozen=True)
class Source:
    def open(self, site: str) -> TaskRunner:
        return MomentumRunner()


def open_source(settings: Any) -> Source:
    return Source()


def setup(opt: OptTreatment, delta: bool) -> WorkerSetup:
    tasks = {"train": TaskSpec("train"), "validate": TaskSpec("validate", "local")}
    return WorkerSetup(f"{__name__}:open_source", {}, CollaboratorSettings(tasks, 0, opt, delta))


def exchange(kind: str, delta: bool) -> Exchange:
    if kind == "lossless":
        return Exchange(0, delta_updates=delta)
    if kind == "fp16 both ways":
        return Exchange(0, Float16(dim_threshold=1), Float16(dim_threshold=1), delta)
    return Exchange(0, Ternary(dim_threshold=1, error_feedback=True), delta_updates=delta)


def simulated(setup: WorkerSetup, exchange: Exchange, delta: bool) -> Iterator[tuple[Tensors, SiteReport]]:
    """Yield each round's model and what the aggregator gets of the site."""
    model: Tensors = {"w": np.linspace(-1, 1, 64, dtype=np.float32), "n": np.array(3, np.int64)}
    state: Tensors = {}
    with LocalExecutor(setup, 1) as local:
        local._source = Source()  # this module has no name under which another could import it
        for round in range(ROUNDS):
            job = SiteJob("a", round, ("train", "validate"), local_state=state)
            [report] = CompressedExecutor(local, exchange).run(model, [job])
            yield model, report
            state = report.local_state
            model = {
                name: model[name] + report.tensors[name] if delta else report.tensors[name] for name in model
            }


@contextmanager
def lived(board: Board, folder: Path, setup: WorkerSetup, exchange: Exchange) -> Iterator[None]:
    """One life of the member's process."""
    errors: list[BaseException] = []
    connection = BoardConnection(board, "a", folder / "spool")
    source = Source()

    def live() -> None:
        try:
            with open_kept(folder / "state", "sha256:0") as kept:
                Member("a", lambda job, m: perform(source, setup, job, m), connection, kept, exchange).run()
        except BaseException as error:  # noqa: BLE001 - looked at below
            errors.append(error)

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    try:
        yield
    finally:
        connection.close()
        thread.join(20)
    assert [type(error).__name__ for error in errors] == ["ConnectionClosed"], errors


@pytest.mark.parametrize("delta", [False, True])
@pytest.mark.parametrize("kind", ["lossless", "fp16 both ways", "ternary with feedback"])
@pytest.mark.parametrize("opt", [OptTreatment.RESET, OptTreatment.CONTINUE_LOCAL])
def test_the_aggregator_gets_what_a_simulation_gets(
    tmp_path: Path, opt: OptTreatment, kind: str, delta: bool
) -> None:
    what, how = setup(opt, delta), exchange(kind, delta)
    board = Board()
    for round, (model, expected) in enumerate(simulated(what, how, delta)):
        encoded = how.pack_model(model, round=round)
        path = tmp_path / f"model-{round}"
        written = write_stream(path, *file_form(encoded))
        blob = BlobRef(written.checksum, written.size)
        board.publish(blob, path)
        board.post("a", Work(f"k-{round}", round, ("train", "validate"), blob))
        # A process for every round: what the next one needs is on the disk.
        with lived(board, tmp_path, what, how):
            event = board.next_event(20)
            while not isinstance(event, Delivered):
                assert event is not None
                event = board.next_event(20)
            deadline = threading.Event()
            while not any((tmp_path / "state").glob("result-*.json")):
                deadline.wait(0.01)
        sent, metadata = read_file(event.update)  # type: ignore[arg-type]
        got = how.unpack_update(encoded_form(sent, metadata), model=model, base=how.unpack_model(encoded))

        assert encode(got) == encode(expected.tensors), round
        assert event.delivery.reports == tuple(replace(r, rows=()) for r in expected.reports)
        board.release(round - 1)
