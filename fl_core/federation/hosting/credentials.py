"""Certificates of a federation that lasts as long as one process: its authority is never written down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from fl_core.pki.authority import Authority, new_authority
from fl_core.pki.certificate import Role, pem
from fl_core.pki.keys import KeyType, key_pem, new_key
from fl_core.pki.request import new_request, read_request
from fl_core.transport.channel import SiteCredentials
from fl_core.transport.server import ServerCredentials


@dataclass(frozen=True)
class LoopbackCredentials:
    """What the aggregator and each site show.

    Attributes:
        server: The aggregator's.
        sites: Each site's own, by name.
    """

    server: ServerCredentials
    sites: dict[str, SiteCredentials]


def throw_away_credentials(sites: Iterable[str], host: str, now: datetime) -> LoopbackCredentials:
    """Make an authority, certify the aggregator and every site, and forget the authority's keys.

    Args:
        sites: Their names.
        host: Name or address under which the aggregator is reached.
        now: Time of issue.

    Raises:
        CertificateError: A name cannot stand in a certificate.

    Example:
        >>> from datetime import UTC
        >>> made = throw_away_credentials(["a", "b"], "127.0.0.1", datetime.now(UTC))
        >>> sorted(made.sites), made.sites["a"].key != made.sites["b"].key
        (['a', 'b'], True)
    """
    authority, _ = new_authority(KeyType.ECDSA, now)
    key, chain = _certified(authority, Role.SERVER, host, now)
    made = {}
    for site in sites:
        own, certificates = _certified(authority, Role.CLIENT, site, now)
        made[site] = SiteCredentials(own, certificates, authority.chain_pem)
    return LoopbackCredentials(ServerCredentials(key, chain, authority.chain_pem), made)


def _certified(authority: Authority, role: Role, name: str, now: datetime) -> tuple[bytes, bytes]:
    """Return a new key and its certificate chain, both as PEM."""
    key = new_key()
    request = read_request(new_request(key, name), name, role, name)
    certificate = authority.certify(request, now)
    return key_pem(key), pem(certificate, authority.certificate)
