"""A worker: holds the model and the resident network, does one job after another.

Run by the local executor as ``python -P -m fl_core.executor.worker``; `perform` is also what the
executor calls when there is no other process.
"""

from __future__ import annotations

import sys
import traceback

from fl_core.collaborator.loop import Collaborator
from fl_core.errors import FederationError
from fl_core.executor.base import SiteJob, SiteReport, WorkerSetup, load_source
from fl_core.executor.protocol import (
    Failed,
    Job,
    Model,
    Prepare,
    Ready,
    job_of,
    report_message,
    setup_of,
)
from fl_core.ipc.child import serve_parent
from fl_core.ipc.frames import Channel, ChannelClosed
from fl_core.task_runner.base import RunnerSource
from fl_core.tensors import Array, Tensors


def perform(source: RunnerSource, setup: WorkerSetup, job: SiteJob, model: Tensors) -> SiteReport:
    """Do one job on the given global model.

    The site is opened anew for every job, since a source may share one network among its sites.
    """
    return Collaborator(job.site, source.open(job.site), setup.collaborator).perform(job, model)


def serve(channel: Channel) -> None:
    """Prepare, then do jobs until the channel closes.

    Raises:
        ChannelClosed: The executor is gone, or has no more work for us.
    """
    message: Prepare
    message, _ = channel.receive(Prepare)
    setup = setup_of(message)
    try:
        source = load_source(setup)
    except Exception as error:  # noqa: BLE001 - a process border: the parent raises it
        channel.send(_failure(error))
        return
    channel.send(Ready())
    model: dict[str, Array] = {}
    while True:
        received: Model | Job
        received, sets = channel.receive(Model | Job)
        if isinstance(received, Model):
            model = sets[0]
            continue
        try:
            answer, answer_sets = report_message(perform(source, setup, job_of(received, sets), model))
            channel.send(answer, answer_sets)
        except ChannelClosed:
            raise
        except Exception as error:  # noqa: BLE001 - a process border: the parent raises it
            channel.send(_failure(error))


def _failure(error: Exception) -> Failed:
    if isinstance(error, FederationError):
        return Failed(str(error), error.exit_code)
    traceback.print_exception(error, file=sys.stderr)
    return Failed(f"{type(error).__name__}: {error}", 0)


def main() -> None:
    """Serve the process that spawned this one until it is done with us."""
    serve_parent(serve)


if __name__ == "__main__":
    main()
