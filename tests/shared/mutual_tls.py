"""An authority, certificates of every wrong kind, and a server with its board, on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509

from fl_core.pki.authority import Authority, new_authority
from fl_core.pki.certificate import Role, pem
from fl_core.pki.keys import KeyType, key_pem, new_key
from fl_core.pki.request import new_request, read_request
from fl_core.pki.verify import client_identity
from fl_core.transport.board import Admission, Board
from fl_core.transport.channel import SiteCredentials, open_channel
from fl_core.transport.client import SiteConnection
from fl_core.transport.diagnosis import diagnosed
from fl_core.transport.gate import Gate
from fl_core.transport.limits import Limits
from fl_core.transport.retry import RetryPolicy
from fl_core.transport.server import FederationServer, ServerCredentials
from fl_core.transport.servicer import FederationServicer
from fl_core.transport.spool import Spool

PLAN = "sha256:" + "0" * 64
QUICK = RetryPolicy(first_s=0.02, longest_s=0.2, gives_up_after_s=5.0)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class TestAuthority:
    """A two-level authority that issues whatever a test wants."""

    __test__ = False

    authority: Authority

    @classmethod
    def new(cls, kind: KeyType = KeyType.ECDSA) -> TestAuthority:
        return cls(new_authority(kind, now())[0])

    @property
    def roots(self) -> bytes:
        return self.authority.chain_pem

    def leaf(
        self,
        role: Role,
        name: str,
        *,
        at: datetime | None = None,
        days: int = 365,
        kind: KeyType = KeyType.ECDSA,
    ) -> tuple[bytes, bytes, x509.Certificate]:
        """Return key and certificate chain as PEM, and the certificate."""
        key = new_key(kind)
        request = read_request(new_request(key, name), name, role, "a test")
        certificate = self.authority.certify(request, at or now(), days)
        return key_pem(key), pem(certificate) + pem(self.authority.certificate), certificate

    def server(self, name: str = "localhost", role: Role = Role.SERVER) -> ServerCredentials:
        key, chain, _ = self.leaf(role, name)
        return ServerCredentials(key, chain, self.roots)

    def site(self, name: str, *, expired: bool = False, role: Role = Role.CLIENT) -> SiteCredentials:
        at = now() - timedelta(days=10) if expired else None
        key, chain, _ = self.leaf(role, name, at=at, days=1 if expired else 365)
        return SiteCredentials(key, chain, self.roots)


@dataclass
class Hall:
    """A server that listens, and everything behind it."""

    board: Board
    spool: Spool
    server: FederationServer
    port: int
    authority: TestAuthority
    names: set[str] = field(default_factory=set)
    revoked: set[int] = field(default_factory=set)

    @property
    def target(self) -> str:
        return f"localhost:{self.port}"

    def connect(
        self,
        credentials: SiteCredentials | str,
        plan: str = PLAN,
        policy: RetryPolicy = QUICK,
        target: str = "",
    ) -> SiteConnection:
        if isinstance(credentials, str):
            credentials = self.authority.site(credentials)
        target = target or self.target
        explain = diagnosed(target, credentials, os.environ)
        return SiteConnection(open_channel(target, credentials), plan, policy, explain=explain, stalled_s=2.0)


@contextmanager
def hall(
    folder: Path,
    authority: TestAuthority,
    names: set[str],
    *,
    limits: Limits | None = None,
    admit: Admission = lambda delivered: "",
    credentials: ServerCredentials | None = None,
    address: str = "127.0.0.1:0",
    plan: str = PLAN,
    interceptors: Sequence[grpc.ServerInterceptor[Any, Any]] = (),
) -> Iterator[Hall]:
    """Serve a board over mutual TLS while the block lasts."""
    limits = limits or replace(Limits(), beat_s=0.2, silent_s=2.0)
    names, revoked = set(names), set[int]()
    board, spool = Board(admit), Spool(folder / "spool")
    gate = Gate(
        lambda chain: client_identity(chain, now()),
        lambda: names,
        lambda serial: serial in revoked,
        limits.calls,
    )
    servicer = FederationServicer(board, spool, gate, plan, limits)
    server = FederationServer(servicer, credentials or authority.server(), address, limits, interceptors)
    with server:
        yield Hall(board, spool, server, server.port, authority, names, revoked)
    spool.close()
