"""Requests from strangers: what is shown, what is refused."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_core.pki.certificate import Role
from fl_core.pki.errors import CertificateError, Reason
from fl_core.pki.keys import new_key
from fl_core.pki.request import Request, new_request, read_request

KEY = new_key()


def csr(
    *names: str,
    key: object = KEY,
    extensions: tuple[x509.ExtensionType, ...] = (),
    country: str | None = None,
) -> bytes:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names]
    if country:
        attributes.append(x509.NameAttribute(NameOID.COUNTRY_NAME, country))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA384()
    signed = builder.sign(key, algorithm)  # type: ignore[arg-type]
    return signed.public_bytes(serialization.Encoding.PEM)


def read(content: bytes, name: str = "one", role: Role = Role.CLIENT) -> Request:
    return read_request(content, name, role, "a.zip")


def refused(content: bytes, name: str = "one", role: Role = Role.CLIENT) -> CertificateError:
    with pytest.raises(CertificateError) as raised:
        read(content, name, role)
    assert str(raised.value).startswith("a.zip: ")
    return raised.value


def test_what_is_read_and_shown() -> None:
    content = csr(
        "one",
        country="DE",
        extensions=(
            x509.BasicConstraints(ca=True, path_length=None),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
            x509.SubjectAlternativeName([x509.DNSName("agg.example.org")]),
        ),
    )
    found = read(content)
    der = base64.b64decode(b"".join(content.splitlines()[1:-1]))

    assert found.name == "one" and found.public_key == KEY.public_key()
    assert found.fingerprint == sha256(der).hexdigest()
    assert found.lines() == [
        "subject:              C=DE,CN=one",
        "role:                 client",
        "key:                  ECDSA secp384r1",
        "alternative names:    DNS:agg.example.org",
        "requested extensions: basicConstraints (CA:TRUE), extendedKeyUsage (serverAuth), subjectAltName "
        "(none is taken over)",
        f"SHA-256 fingerprint:  {sha256(der).hexdigest()}",
    ]


def test_the_fingerprint_does_not_depend_on_line_ends() -> None:
    content = new_request(KEY, "one")
    assert read(content.replace(b"\n", b"\r\n")).fingerprint == read(content).fingerprint


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (csr("two"), Reason.OTHER_NAME),
        (csr("ONE"), Reason.OTHER_NAME),
        (csr(), Reason.NO_COMMON_NAME),
        (csr("one", "two"), Reason.NO_COMMON_NAME),
        (csr("one", key=ec.generate_private_key(ec.SECP521R1())), Reason.WEAK_KEY),
        (csr("one", key=rsa.generate_private_key(65537, 2048)), Reason.WEAK_KEY),
        (csr("one", key=ed25519.Ed25519PrivateKey.generate()), Reason.WEAK_KEY),
        (b"", Reason.UNREADABLE),
        (csr("one")[:200], Reason.UNREADABLE),
        (csr("one") * 2, Reason.UNREADABLE),
        (csr("one") + b" " * (64 << 10), Reason.UNREADABLE),
    ],
    ids=["other", "case", "none", "two", "p521", "rsa2048", "ed25519", "empty", "torn", "double", "large"],
)
def test_what_is_refused(content: bytes, reason: Reason) -> None:
    error = refused(content)
    assert error.reason is reason
    assert str(error).endswith(f"[{reason}]")


def test_a_signature_of_another_key_is_refused() -> None:
    der = bytearray(x509.load_pem_x509_csr(csr("one")).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    body = base64.encodebytes(bytes(der)).replace(b"\n", b"")
    lines = b"\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    content = b"-----BEGIN CERTIFICATE REQUEST-----\n" + lines + b"\n-----END CERTIFICATE REQUEST-----\n"

    assert refused(content).reason is Reason.BAD_SIGNATURE


def test_a_servers_name_is_compared_as_dns_does() -> None:
    assert read(csr("Agg.Example.ORG"), "agg.example.org", Role.SERVER).name == "agg.example.org"
    assert refused(csr("agg.example.com"), "agg.example.org", Role.SERVER).reason is Reason.OTHER_NAME


def test_a_subject_cannot_steer_the_terminal() -> None:
    error = refused(csr("one\x1b[2J\u202ewo"))

    assert error.reason is Reason.OTHER_NAME
    assert str(error).isprintable()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 10_000), st.integers(0, 255))
def test_no_bytes_make_it_fail_otherwise(junk: bytes, place: int, value: int) -> None:
    damaged = bytearray(x509.load_pem_x509_csr(csr("one")).public_bytes(serialization.Encoding.DER))
    damaged[place % len(damaged)] = value
    body = base64.encodebytes(bytes(damaged))
    for content in (
        junk,
        b"-----BEGIN CERTIFICATE REQUEST-----\n" + body + b"-----END CERTIFICATE REQUEST-----\n",
    ):
        try:
            found = read(content)
        except CertificateError:
            continue
        assert found.name == "one"
