"""The hosts of a federation on one machine: started, looked after, replaced when they die."""

from __future__ import annotations

import selectors
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fl_core.errors import FederationError, InputError, WorkerError
from fl_core.executor.base import WorkerSetup
from fl_core.federation.hosting.messages import Began, Broke, Credentials, Ended, Prepare, Ready
from fl_core.ipc.frames import BadFrame, ChannelClosed, FrameTooLarge
from fl_core.ipc.process import ChildProcess, spawn
from fl_core.transport.channel import SiteCredentials

STARTS: Final = 2
"""Hosts in a row that may end before they are ready; the last one is an error."""
IDLE_DEATHS: Final = 5
"""Hosts in a row that may end without a job, none having been done meanwhile; the last one is an error."""

MODULE: Final = "fl_core.federation.hosting.host"
_LOST: Final = (ChannelClosed, BadFrame, FrameTooLarge)
_PROXIES: Final = frozenset({"grpc_proxy", "https_proxy", "http_proxy", "all_proxy"})


@dataclass(frozen=True)
class Lost:
    """A site whose host died while it worked.

    Attributes:
        site: The site.
        reason: How the host ended.
    """

    site: str
    reason: str


@dataclass(frozen=True)
class Federation:
    """What every host is told.

    Attributes:
        setup: What it takes to serve any site.
        target: ``host:port`` of the aggregator.
        plan: Hash of the plan.
        folder: Where sites keep results until the aggregator has them.
    """

    setup: WorkerSetup
    target: str
    plan: str
    folder: Path


@dataclass(eq=False)
class _Host:
    child: ChildProcess
    sites: tuple[str, ...]
    ready: bool = False
    working: str = ""


class Hosts:
    """Long-lived processes, each serving the sites that were dealt to it.

    Args:
        federation: What every host is told.
        dealt: The sites of each host.
        credentials: Each site's own; they cross to its host through the channel alone.
        environment: The hosts' whole environment; proxies in it do not count, loopback needs none.
    """

    def __init__(
        self,
        federation: Federation,
        dealt: Sequence[tuple[str, ...]],
        credentials: Mapping[str, SiteCredentials],
        environment: Mapping[str, str],
    ) -> None:
        self._federation = federation
        self._credentials = credentials
        self._environment = {
            name: value for name, value in environment.items() if name.lower() not in _PROXIES
        }
        self._failed_starts = 0
        self._idle_deaths = 0
        self._hosts: list[_Host] = []
        try:
            for sites in dealt:
                self._hosts.append(self._start(sites))
        except BaseException:
            self.close()
            raise

    @property
    def pids(self) -> list[int]:
        """The hosts' process numbers."""
        return [host.child.pid for host in self._hosts]

    def look_after(self) -> list[Lost]:
        """Hear what the hosts say, and replace those that died; return the sites that were at work in them.

        Raises:
            WorkerError: Hosts die before they are ready or without a job, again and again; or work raised an
                error that is none of the engine's.
            FederationError: What the work itself raised, with its message and exit code.
        """
        lost: list[Lost] = []
        while heard := self._with_something_to_say():
            for host in heard:
                found = self._hear(host)
                if found is not None:
                    lost.append(found)
        return lost

    def close(self) -> None:
        """End all hosts at once; safe to call twice."""
        for host in self._hosts:
            host.child.kill()
        self._hosts = []

    def _start(self, sites: tuple[str, ...]) -> _Host:
        federation, setup = self._federation, self._federation.setup
        own = {site: self._credentials[site] for site in sites}
        child = spawn(MODULE, env=self._environment)
        child.channel.send(
            Prepare(
                source=setup.source,
                settings=dict(setup.settings),
                collaborator=setup.collaborator,
                target=federation.target,
                plan=federation.plan,
                roots=own[sites[0]].roots,
                sites={site: Credentials(each.key, each.chain) for site, each in own.items()},
                folder=str(federation.folder),
            )
        )
        return _Host(child, sites)

    def _with_something_to_say(self) -> list[_Host]:
        with selectors.DefaultSelector() as selector:
            for host in self._hosts:
                selector.register(host.child.channel, selectors.EVENT_READ, host)
            return [key.data for key, _ in selector.select(0)]

    def _hear(self, host: _Host) -> Lost | None:
        told: Ready | Began | Ended | Broke
        try:
            told, _ = host.child.channel.receive(Ready | Began | Ended | Broke)
        except _LOST:
            return self._lost(host)
        match told:
            case Ready():
                host.ready, self._failed_starts = True, 0
            case Began(site):
                host.working = site
            case Ended():
                host.working, self._idle_deaths = "", 0
            case Broke():
                raise _error(told)
        return None

    def _lost(self, host: _Host) -> Lost | None:
        ending = host.child.wait_for_end(timeout=1.0)
        self._hosts[self._hosts.index(host)] = self._start(host.sites)
        if host.working:
            hint = "; SIGKILL often means too little memory (fewer --workers need less)"
            return Lost(host.working, f"its host ended ({ending}){hint if 'SIGKILL' in ending else ''}")
        if host.ready:
            self._idle_deaths += 1
        else:
            self._failed_starts += 1
        if self._failed_starts == STARTS:
            raise WorkerError(
                f"{STARTS} hosts in a row ended ({ending}) before they were ready; what they wrote is on "
                "standard error"
            )
        if self._idle_deaths == IDLE_DEATHS:
            raise WorkerError(
                f"{IDLE_DEATHS} hosts in a row ended ({ending}) without a job; what they wrote is on "
                "standard error"
            )
        return None


def _error(broke: Broke) -> FederationError:
    if broke.exit_code == InputError.exit_code:
        return InputError(broke.message)
    if broke.exit_code:
        return FederationError(broke.message)
    return WorkerError(f"{broke.where}: {broke.message}; the traceback is on standard error")
