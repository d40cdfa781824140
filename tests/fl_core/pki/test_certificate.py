"""Every field of the certificates that are issued."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from fl_core.pki.authority import Authority
from fl_core.pki.certificate import Role
from fl_core.pki.errors import CertificateError, Reason
from fl_core.pki.keys import new_key
from fl_core.pki.request import new_request, read_request

T = TypeVar("T", bound=x509.ExtensionType)


def value_of(certificate: x509.Certificate, kind: type[T]) -> tuple[T, bool]:
    found = certificate.extensions.get_extension_for_class(kind)
    return found.value, found.critical


def usages(certificate: x509.Certificate) -> set[str]:
    usage, critical = value_of(certificate, x509.KeyUsage)
    assert critical
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    return {name for name in (*names, "key_agreement", "key_cert_sign", "crl_sign") if getattr(usage, name)}


@pytest.mark.parametrize(
    ("role", "name", "usage", "alternative"),
    [
        (Role.SERVER, "agg.example.org", ExtendedKeyUsageOID.SERVER_AUTH, x509.DNSName("agg.example.org")),
        (
            Role.SERVER,
            "10.1.2.3",
            ExtendedKeyUsageOID.SERVER_AUTH,
            x509.IPAddress(ipaddress.ip_address("10.1.2.3")),
        ),
        (
            Role.SERVER,
            "::1",
            ExtendedKeyUsageOID.SERVER_AUTH,
            x509.IPAddress(ipaddress.ip_address("::1")),
        ),
        (
            Role.CLIENT,
            "Site_1.x-y",
            ExtendedKeyUsageOID.CLIENT_AUTH,
            x509.UniformResourceIdentifier("urn:fl:collaborator:Site_1.x-y"),
        ),
    ],
)
def test_a_leaf(
    any_authority: Authority,
    now: datetime,
    role: Role,
    name: str,
    usage: x509.ObjectIdentifier,
    alternative: x509.GeneralName,
) -> None:
    key = new_key()
    made = any_authority.certify(read_request(new_request(key, name), name, role, "a test"), now)

    assert made.version is x509.Version.v3
    assert made.subject.rfc4514_string() == f"CN={name}"
    assert made.issuer == any_authority.certificate.subject
    assert made.public_key() == key.public_key()
    assert isinstance(made.signature_hash_algorithm, hashes.SHA384)
    assert made.not_valid_before_utc == (now - timedelta(hours=1)).replace(microsecond=0)
    assert made.not_valid_after_utc == (now + timedelta(days=365)).replace(microsecond=0)
    assert value_of(made, x509.BasicConstraints) == (x509.BasicConstraints(ca=False, path_length=None), True)
    assert usages(made) == {"digital_signature"}
    assert list(value_of(made, x509.ExtendedKeyUsage)[0]) == [usage]
    assert list(value_of(made, x509.SubjectAlternativeName)[0]) == [alternative]
    subject_key, _ = value_of(made, x509.SubjectKeyIdentifier)
    assert subject_key == x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    signer_key, _ = value_of(any_authority.certificate, x509.SubjectKeyIdentifier)
    assert value_of(made, x509.AuthorityKeyIdentifier)[0].key_identifier == signer_key.digest
    assert len(made.extensions) == 6
    made.verify_directly_issued_by(any_authority.certificate)


def test_the_authorities(any_authority: Authority, now: datetime) -> None:
    root, signing = any_authority.root, any_authority.certificate

    for made, length, years in ((root, 1, 10), (signing, 0, 5)):
        assert value_of(made, x509.BasicConstraints) == (
            x509.BasicConstraints(ca=True, path_length=length),
            True,
        )
        assert usages(made) == {"key_cert_sign", "crl_sign"}
        assert isinstance(made.signature_hash_algorithm, hashes.SHA384)
        assert abs(made.not_valid_after_utc - now - timedelta(days=365.25 * years)) < timedelta(days=1)
    root.verify_directly_issued_by(root)
    signing.verify_directly_issued_by(root)
    assert root.subject != signing.subject
    key = any_authority.key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        assert key.curve.name == "secp384r1"
    else:
        assert isinstance(key, rsa.RSAPrivateKey) and key.key_size == 3072
    assert "PRIVATE" not in repr(any_authority) and "key=" not in repr(any_authority)


def test_serials_are_random_and_authorities_distinct(authority: Authority, now: datetime) -> None:
    asked = read_request(new_request(new_key(), "one"), "one", Role.CLIENT, "a test")
    serials = {authority.certify(asked, now).serial_number for _ in range(20)}

    assert len(serials) == 20
    assert min(serial.bit_length() for serial in serials) > 120


def test_a_leaf_ends_with_its_authority_and_never_outlives_it(authority: Authority, now: datetime) -> None:
    asked = read_request(new_request(new_key(), "one"), "one", Role.CLIENT, "a test")
    end = authority.certificate.not_valid_after_utc

    assert authority.certify(asked, now, days=90).not_valid_after_utc < now + timedelta(days=91)
    assert authority.certify(asked, now, days=3653).not_valid_after_utc == end
    with pytest.raises(CertificateError, match="signing authority's certificate ended") as raised:
        authority.certify(asked, end)
    assert raised.value.reason is Reason.EXPIRED
    with pytest.raises(CertificateError, match="at least one day"):
        authority.certify(asked, now, days=0)
