"""A host: one process that serves several sites, each with a connection of its own.

Run as ``python -P -m fl_core.federation.hosting.host``. The sites share one source (and the network in it),
so their jobs are done one at a time, in the main thread, as a worker of the local executor does them.
"""

from __future__ import annotations

import math
import queue
import random
import sys
import threading
import traceback
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from fl_core.compression.exchange import Exchange
from fl_core.errors import FederationError
from fl_core.executor.base import SiteJob, SiteReport, WorkerSetup, load_source
from fl_core.executor.worker import perform
from fl_core.federation.hosting.messages import Began, Broke, Credentials, Ended, Prepare, Ready
from fl_core.federation.kept import open_kept
from fl_core.federation.member import Member, Sharing
from fl_core.ipc.child import serve_parent
from fl_core.ipc.frames import Channel
from fl_core.task_runner.base import RunnerSource
from fl_core.tensors import Tensors
from fl_core.transport.channel import SiteCredentials, open_channel
from fl_core.transport.client import SiteConnection
from fl_core.transport.retry import RetryPolicy

PATIENT = RetryPolicy(gives_up_after_s=math.inf)
"""Host and aggregator end together, so there is nothing to give up for."""


@dataclass(frozen=True)
class _Asked:
    """A job of a site, and where its report goes."""

    job: SiteJob
    model: Tensors
    answer: Future[SiteReport]


@dataclass(frozen=True)
class _Over:
    """A site takes part no longer."""

    site: str
    error: Exception | None


_Desk = queue.SimpleQueue[_Asked | _Over]


def serve(channel: Channel) -> None:
    """Open the data, connect every site, and do their jobs until the channel closes or all have left.

    Raises:
        ChannelClosed: Who started this process is gone.
    """
    told: Prepare
    told, _ = channel.receive(Prepare)
    setup = WorkerSetup(told.source, told.settings, told.collaborator)
    try:
        source = load_source(setup)
    except Exception as error:  # noqa: BLE001 - a process border: the parent raises it
        channel.send(_broke("a host could not be prepared", error))
        return
    channel.send(Ready())
    desk: _Desk = queue.SimpleQueue()
    for site, credentials in sorted(told.sites.items()):
        threading.Thread(
            target=_take_part, args=(told, site, credentials, desk), name=f"site-{site}", daemon=True
        ).start()
    left = len(told.sites)
    while left:
        match desk.get():
            case _Asked() as asked:
                _do(asked, source, setup, channel)
            case _Over(site, cause):
                left -= 1
                if cause is not None:
                    channel.send(_broke(f"site {site}", cause))


def _do(asked: _Asked, source: RunnerSource, setup: WorkerSetup, channel: Channel) -> None:
    job = asked.job
    channel.send(Began(job.site, job.round))
    try:
        report = perform(source, setup, job, asked.model)
    except Exception as error:  # noqa: BLE001 - a process border: the parent raises it
        channel.send(_broke(f"site {job.site}, round {job.round}", error))
        asked.answer.set_exception(error)
    else:
        asked.answer.set_result(report)
    channel.send(Ended())


def _take_part(told: Prepare, site: str, credentials: Credentials, desk: _Desk) -> None:
    """Be one site until the federation is over."""
    collaborator = told.collaborator
    connection = SiteConnection(
        open_channel(told.target, SiteCredentials(credentials.key, credentials.chain, told.roots)),
        told.plan,
        PATIENT,
        draw=random.Random().random,  # waits of different sites are to differ; no result depends on it
    )

    def ask(job: SiteJob, model: Tensors) -> SiteReport:
        answer: Future[SiteReport] = Future()
        desk.put(_Asked(job, model, answer))
        return answer.result()

    try:
        with open_kept(Path(told.folder) / site, told.plan) as kept:
            connection.join()
            exchange = Exchange(collaborator.seed, delta_updates=collaborator.delta_updates)
            Member(site, ask, connection, kept, exchange, Sharing(rows=True, local_state=True)).run()
    except Exception as error:  # noqa: BLE001 - a thread's border: the parent raises it
        desk.put(_Over(site, error))
    else:
        desk.put(_Over(site, None))
    finally:
        connection.close()


def _broke(where: str, error: Exception) -> Broke:
    if isinstance(error, FederationError):
        return Broke(where, str(error), error.exit_code)
    traceback.print_exception(error, file=sys.stderr)
    return Broke(where, f"{type(error).__name__}: {error}", 0)


def main() -> None:
    """Serve the process that spawned this one until it is done with us."""
    serve_parent(serve)


if __name__ == "__main__":
    main()
