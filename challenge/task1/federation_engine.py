"""The engine ``grpc`` with collaborators elsewhere: this process is the aggregator of an fx workspace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from challenge.config import ConfigError, Task1Config
from challenge.task1.executors import Room
from challenge.task1.grpc_engine import imposed_outages, transit_folder, waits_s
from challenge.task1.inputs import HIDDEN_SITE, Inputs
from challenge.task1.workspace import check_workspace
from fl_core.cli.aggregator import listen_address, server_credentials
from fl_core.compression.exchange import Exchange
from fl_core.errors import WorkerError
from fl_core.executor.base import SiteJob, SiteReport, WorkerSetup
from fl_core.executor.local import LocalExecutor
from fl_core.executor.remote import RemoteExecutor
from fl_core.federation.authorised_file import AuthorisedFile
from fl_core.federation.hosting.loopback import LOST_AFTER_S
from fl_core.pki.layout import Layout
from fl_core.pki.revocation import RevocationList
from fl_core.pki.verify import client_identity
from fl_core.plan.address import aggregator_address
from fl_core.plan.schema import Plan
from fl_core.tensors import Tensors
from fl_core.transport.board import Board, BoardEvent, Joined, Left
from fl_core.transport.gate import Gate
from fl_core.transport.limits import Limits
from fl_core.transport.server import FederationServer
from fl_core.transport.servicer import FederationServicer
from fl_core.transport.spool import Spool
from tasks.task1_aggregation.round_work import HIDDEN_TEST, TRAIN, VALIDATE

LINGER_S = 60.0
"""Seconds for which sites are told of the end that are not here."""
FAREWELL = "the run of Task 1 is over"


class ToldBoard(Board):
    """A board that says who comes and goes.

    Args:
        say: Takes a line for the organizer.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def next_event(self, timeout_s: float | None = None) -> BoardEvent | None:
        """Return what happened next; None when nothing did for so long."""
        event = super().next_event(timeout_s)
        match event:
            case Joined(site):
                self._say(f"{site} is connected")
            case Left(site, reason):
                self._say(f"{site} is gone: {reason}")
        return event


class FederatedExecutor:
    """Runs jobs at sites elsewhere, and those on hidden cases of no institution here.

    Args:
        remote: Posts the jobs of institutions.
        here: Works on the organizer's own cases; None where there are none.
        inputs: Says how many cases each site has.
    """

    def __init__(self, remote: RemoteExecutor, here: LocalExecutor | None, inputs: Inputs) -> None:
        self._remote = remote
        self._here = here
        self._cases = {site.name: {VALIDATE: site.n_validate, TRAIN: site.n_train} for site in inputs.sites}
        self._tests = {name: parts.test for name, parts in inputs.split.institutions.items()}

    def run(self, model: Tensors, jobs: Sequence[SiteJob]) -> Iterator[SiteReport]:
        """Run every job on the given global model; reports come in the order in which they end.

        Raises:
            WorkerError: A site failed twice on the same job, is lost, or has other cases than the partition.
        """
        elsewhere = [job for job in jobs if job.site != HIDDEN_SITE]
        if elsewhere:
            self._remote.release(min(job.round for job in elsewhere) - 1)
            for report in self._remote.run(model, elsewhere):
                self._check(report)
                yield report
        own = [job for job in jobs if job.site == HIDDEN_SITE]
        if own and self._here is not None:
            yield from self._here.run(model, own)

    def close(self) -> None:
        """End what works here; safe to call twice."""
        if self._here is not None:
            self._here.close()

    def _check(self, report: SiteReport) -> None:
        """See that a site works on the cases that the partition gives it: updates are weighted by them."""
        for task in report.reports:
            expected = self._cases[report.site].get(task.task, task.samples)
            if task.samples != expected:
                raise _other_cases(report.site, f"has {task.samples} cases ({task.task})", f"{expected}")
            if task.task == HIDDEN_TEST:
                named = tuple(sorted(str(row.get("case")) for row in task.rows))
                if named != self._tests[report.site]:
                    raise _other_cases(
                        report.site,
                        f"answers for {len(named)} hidden test cases",
                        f"{len(self._tests[report.site])}, or others",
                    )


def _other_cases(site: str, has: str, expected: str) -> WorkerError:
    return WorkerError(
        f"site {site} {has}; by the partition they are {expected}. Compare its data folder, and "
        "partition.csv in it, with partition.csv of the run, then resume"
    )


@contextmanager
def lead_federation(
    config: Task1Config, inputs: Inputs, plan: Plan, setup: WorkerSetup, room: Room
) -> Iterator[FederatedExecutor]:
    """Serve the aggregator of the configuration's workspace while the block lasts.

    When the block ends well, sites are told that all is over; after an error they wait for a resume.

    Args:
        config: Resolved; names the workspace.
        inputs: The cases.
        plan: What all parties agree on.
        setup: What it takes to serve the organizer's own cases.
        room: What the engine may use of its run.

    Raises:
        ConfigError: The workspace is another run's, or an institution was not certified in it.
        InputError: It is not ready, or the address cannot be listened on.
    """
    assert config.federation is not None
    root = config.federation
    frozen = check_workspace(root, config, inputs)
    host, port = aggregator_address(frozen.plan.network.settings, frozen.hash)
    layout = Layout(root)
    credentials = server_credentials(layout, host, None)
    authorised = AuthorisedFile(layout.authorised)
    _check_names(root, inputs, authorised)
    board, limits = ToldBoard(room.say), Limits()
    gate = Gate(
        lambda certificate: client_identity(certificate, datetime.now(UTC)),
        authorised,
        RevocationList(layout.revoked).is_revoked,
        limits.calls,
    )
    address = listen_address(host, port)
    with ExitStack() as stack:
        folder = stack.enter_context(transit_folder(room.folder))
        spool = Spool(folder / "spool")
        stack.callback(spool.close)
        servicer = FederationServicer(board, spool, gate, frozen.hash, limits)
        stack.enter_context(
            FederationServer(servicer, credentials, address, limits, imposed_outages(config, inputs, plan))
        )
        names = ", ".join(site.name for site in inputs.sites)
        room.say(f"listening on {address} for {names}; plan {frozen.hash}")
        remote = RemoteExecutor(
            board,
            spool,
            folder / "served",
            # The same after a resume: sites then answer from what they kept.
            name=config.digest().removeprefix("sha256:")[:16],
            exchange=Exchange(config.seed, delta_updates=config.delta_updates),
            lost_after_s=LOST_AFTER_S + waits_s(config),
        )
        here = LocalExecutor(setup, 1) if inputs.split.hidden else None
        executor = FederatedExecutor(remote, here, inputs)
        stack.callback(executor.close)
        yield executor
        _say_farewell(board, room.say)


def _check_names(root: Path, inputs: Inputs, authorised: Callable[[], object]) -> None:
    listed = authorised()
    assert isinstance(listed, dict)
    missing = [site.name for site in inputs.sites if site.name not in listed]
    if missing:
        raise ConfigError(
            f"--federation {root}: no certificate was signed there for {', '.join(missing)[:200]}; each "
            f"institution of the partition takes part (fx collaborator certify --request-pkg ZIP)"
        )


def _say_farewell(board: Board, say: Callable[[str], None]) -> None:
    board.finish(FAREWELL)
    until = time.monotonic() + LINGER_S
    told: tuple[str, ...] = ()
    while (waiting := board.untold()) and time.monotonic() < until:
        if waiting != told:
            say(f"telling {', '.join(waiting)} that the run is over")
            told = waiting
        board.next_event(0.2)
