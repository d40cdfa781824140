"""A whole federation on this machine: the aggregator's server and hosted sites, over TLS on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fl_core.compression.exchange import Exchange
from fl_core.errors import InputError
from fl_core.executor.base import SiteJob, SiteReport, WorkerSetup
from fl_core.executor.environment import worker_environment
from fl_core.executor.remote import RemoteExecutor
from fl_core.federation.hosting.credentials import LoopbackCredentials, throw_away_credentials
from fl_core.federation.hosting.dealing import deal
from fl_core.federation.hosting.hosts import Federation, Hosts
from fl_core.pki.errors import CertificateError
from fl_core.pki.verify import client_identity
from fl_core.tensors import Tensors
from fl_core.transport.board import Board, BoardEvent, Refusal
from fl_core.transport.gate import Gate
from fl_core.transport.limits import Limits
from fl_core.transport.messages import Delivery
from fl_core.transport.server import FederationServer
from fl_core.transport.servicer import FederationServicer
from fl_core.transport.spool import Spool

if TYPE_CHECKING:
    import grpc

HOST: Final = "127.0.0.1"
LOST_AFTER_S: Final = 1800.0


class HostedBoard(Board):
    """A board that looks after the hosts of its sites whenever somebody waits for an event."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts: Hosts | None = None

    def next_event(self, timeout_s: float | None = None) -> BoardEvent | None:
        """Return what happened next; None when nothing did for so long.

        A job whose host died counts as failed, so that it is given out again.

        Raises:
            WorkerError, FederationError: See `Hosts.look_after`.
        """
        for lost in self.hosts.look_after() if self.hosts else ():
            try:
                work = self.expects_blobs(lost.site)
            except Refusal:
                continue  # it was handed in, or taken back, before the host died
            self.fail(lost.site, work, Delivery(work.key, work.round, failure=lost.reason))
        return super().next_event(timeout_s)


class HostedExecutor:
    """Runs jobs at hosted sites; see `RemoteExecutor`.

    Args:
        remote: Posts the jobs.
        hosts: Serve the sites.
    """

    def __init__(self, remote: RemoteExecutor, hosts: Hosts) -> None:
        self._remote = remote
        self._hosts = hosts

    @property
    def pids(self) -> list[int]:
        """The hosts' process numbers."""
        return self._hosts.pids

    def run(self, model: Tensors, jobs: Sequence[SiteJob]) -> Iterator[SiteReport]:
        """Run every job on the given global model; reports come in the order in which they end.

        What sites kept of rounds before the first of the jobs' is not asked for again.

        Raises:
            WorkerError: A host died twice on the same job, or cannot be kept alive.
            FederationError: What the work itself raised, with its message and exit code.
        """
        if jobs:
            self._remote.release(min(job.round for job in jobs) - 1)
        return self._remote.run(model, jobs)

    def close(self) -> None:
        """End the hosts; safe to call twice."""
        self._hosts.close()


@contextmanager
def hosted_sites(
    setup: WorkerSetup,
    costs: Mapping[str, float],
    hosts: int,
    folder: Path,
    *,
    plan: str,
    interceptors: Sequence[grpc.ServerInterceptor[Any, Any]] = (),
    lost_after_s: float = LOST_AFTER_S,
    environment: Mapping[str, str] | None = None,
) -> Iterator[HostedExecutor]:
    """Serve an aggregator on loopback and host its sites while the block lasts.

    Every site has a certificate and a connection of its own; the authority exists in memory only. Reports
    hold the same bytes as those of a local executor, whatever the number of hosts and whether one died: what
    sites keep between rounds travels with their jobs.

    Args:
        setup: What it takes to serve any site.
        costs: How much work each site has, by its name; so they are dealt to hosts.
        hosts: Processes, at most one a site.
        folder: Of this federation's own, for files in transit; nothing in it is needed afterwards.
        plan: Hash of the plan.
        interceptors: See each call before the aggregator (outages that are imposed).
        lost_after_s: A site that owes a report and cannot connect for so long is an error.
        environment: The hosts' environment before thread and allocator settings; None for ours.

    Raises:
        InputError: Fewer than one host, no site, or a site's name cannot stand in a certificate.
    """
    if hosts < 1 or not costs:
        raise InputError(f"{hosts} hosts for {len(costs)} sites: there must be at least one of each")
    credentials = _credentials(costs)
    board, spool = HostedBoard(), Spool(folder / "spool")
    with ExitStack() as stack:
        stack.callback(spool.close)
        server = stack.enter_context(_server(board, spool, credentials, plan, interceptors))
        served = Hosts(
            Federation(setup, f"{HOST}:{server.port}", plan, folder / "sites"),
            deal(costs, hosts),
            credentials.sites,
            worker_environment(os.environ if environment is None else environment),
        )
        # Before the server stops: hosts that are still there would try to reach it again.
        stack.callback(served.close)
        board.hosts = served
        remote = RemoteExecutor(
            board,
            spool,
            folder / "served",
            name="loopback",
            exchange=Exchange(setup.collaborator.seed, delta_updates=setup.collaborator.delta_updates),
            holds_local_state=True,
            lost_after_s=lost_after_s,
            poll_s=0.1,
        )
        yield HostedExecutor(remote, served)


def _credentials(costs: Mapping[str, float]) -> LoopbackCredentials:
    try:
        return throw_away_credentials(sorted(costs), HOST, datetime.now(UTC))
    except CertificateError as error:
        raise InputError(f"{error}. Over gRPC each site has a certificate in its name: rename it") from error


def _server(
    board: Board,
    spool: Spool,
    credentials: LoopbackCredentials,
    plan: str,
    interceptors: Sequence[grpc.ServerInterceptor[Any, Any]],
) -> FederationServer:
    sites = frozenset(credentials.sites)
    limits = replace(Limits(), connections=max(Limits().connections, 4 * len(sites)))
    gate = Gate(
        lambda certificate: client_identity(certificate, datetime.now(UTC)),
        lambda: sites,
        lambda serial: False,
        limits.calls,
    )
    servicer = FederationServicer(board, spool, gate, plan, limits)
    return FederationServer(servicer, credentials.server, f"{HOST}:0", limits, interceptors)
