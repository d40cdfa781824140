"""An authority for all tests of this folder, and certificates from it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509

from fl_core.pki.authority import Authority, new_authority
from fl_core.pki.certificate import Role, pem
from fl_core.pki.keys import KeyType, PrivateKey, key_pem, new_key
from fl_core.pki.request import new_request, read_request

Certify = Callable[..., tuple[x509.Certificate, PrivateKey]]


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="session", params=["ecdsa", "rsa"])
def any_authority(request: pytest.FixtureRequest, now: datetime) -> Authority:
    return new_authority(KeyType(request.param), now)[0]


@pytest.fixture(scope="session")
def authority(now: datetime) -> Authority:
    return new_authority(KeyType.ECDSA, now)[0]


@pytest.fixture(scope="session")
def certify(authority: Authority, now: datetime) -> Certify:
    """A certificate and its key, by role and name."""

    def made(
        role: Role, name: str, days: int = 365, at: datetime = now
    ) -> tuple[x509.Certificate, PrivateKey]:
        key = new_key()
        asked = read_request(new_request(key, name), name, role, "a test")
        return authority.certify(asked, at, days), key

    return made


@pytest.fixture(scope="session")
def client_pem(certify: Certify) -> tuple[bytes, bytes]:
    certificate, key = certify(Role.CLIENT, "one")
    return pem(certificate), key_pem(key)
