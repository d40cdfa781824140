"""Certificates for the floor: an authority that lives as long as the measurement."""

from __future__ import annotations

from datetime import UTC, datetime

from fl_core.pki.authority import new_authority
from fl_core.pki.certificate import Role, pem
from fl_core.pki.keys import KeyType, key_pem, new_key
from fl_core.pki.request import new_request, read_request
from fl_core.transport.channel import SiteCredentials
from fl_core.transport.server import ServerCredentials


def throw_away(sites: int) -> tuple[ServerCredentials, list[SiteCredentials]]:
    """Return what a server on ``localhost`` and so many sites need for mutual TLS."""
    now = datetime.now(UTC)
    authority, _ = new_authority(KeyType.ECDSA, now)

    def leaf(role: Role, name: str) -> tuple[bytes, bytes, bytes]:
        key = new_key(KeyType.ECDSA)
        request = read_request(new_request(key, name), name, role, "the benchmark")
        return key_pem(key), pem(authority.certify(request, now)), authority.chain_pem

    server = ServerCredentials(*leaf(Role.SERVER, "localhost"))
    return server, [SiteCredentials(*leaf(Role.CLIENT, f"site{index:02d}")) for index in range(sites)]
