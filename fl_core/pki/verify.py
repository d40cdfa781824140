"""Checks of certificates, each refusal with a named reason.

The TLS stack checks signatures up to the trusted root before anything here sees a peer; these checks
add what it leaves to the application, and say in words what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from fl_core.pki.certificate import URN, Role
from fl_core.pki.errors import CertificateError, Reason
from fl_core.pki.names import as_address, check_name
from fl_core.pki.request import common_name, printable
from fl_core.pki.unparsable import UNPARSABLE

SKEW = timedelta(minutes=5)
"""By so much the clocks of two machines may differ."""

_LARGEST = 1 << 20
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


@dataclass(frozen=True)
class ClientIdentity:
    """Who a peer is: nothing else that it says about itself counts.

    Attributes:
        name: The collaborator's name, from the common name.
        serial: Serial number of its certificate, for the list of revoked ones.
    """

    name: str
    serial: int


def client_identity(chain_pem: bytes, now: datetime, source: str = "the peer") -> ClientIdentity:
    """Return who presents a certificate to the aggregator.

    Args:
        chain_pem: What the TLS stack gives of the peer (gRPC: ``x509_pem_cert``), its own first.
        now: The time.
        source: Who it came from, for messages.

    Raises:
        CertificateError: Unreadable, not yet or no longer valid, an authority's certificate, extended key
            usage without clientAuth, not one common name, or one that is no collaborator's.
    """
    certificate = read_certificates(chain_pem, source)[0]
    _check_leaf(certificate, Role.CLIENT, now, source)
    name = check_name(common_name(certificate.subject, source))
    for each in _alternative_names(certificate, source):
        if isinstance(each, x509.UniformResourceIdentifier) and each.value.startswith(URN):
            claimed = each.value.removeprefix(URN)
            if claimed != name:
                raise CertificateError(
                    Reason.OTHER_NAME, f"{source}: is named {name}, but also {printable(claimed)}"
                )
    return ClientIdentity(name, certificate.serial_number)


def check_server(chain_pem: bytes, address: str | None, now: datetime, source: str = "the peer") -> None:
    """Check the aggregator's certificate.

    Args:
        chain_pem: The certificate file, or what the TLS stack gives of the peer.
        address: The DNS name or IP address that sites connect to; None leaves the name unchecked.
        now: The time.
        source: Where it came from, for messages.

    Raises:
        CertificateError: As for `client_identity`, extended key usage without serverAuth, or a certificate
            for another address.
    """
    certificate = read_certificates(chain_pem, source)[0]
    _check_leaf(certificate, Role.SERVER, now, source)
    if address is None:
        return
    names = _alternative_names(certificate, source)
    if not any(_fits(name, address) for name in names):
        known = ", ".join(printable(str(name.value)) for name in names) or "none"
        raise CertificateError(
            Reason.OTHER_NAME,
            f"{source}: is not for {printable(address)}; its alternative names are: {known}",
        )


def check_chain(
    certificate: x509.Certificate, chain: Sequence[x509.Certificate], now: datetime, source: str
) -> list[x509.Certificate]:
    """Return the authorities from a certificate's issuer to a self-signed root, all from a chain.

    Raises:
        CertificateError: A link is missing, does not sign the one before, is no authority, or has ended.
    """
    current, path = certificate, list[x509.Certificate]()
    for _ in range(len(chain) + 1):
        issuer = next((each for each in chain if _signed_by(current, each)), None)
        if issuer is None:
            raise CertificateError(
                Reason.OTHER_AUTHORITY,
                f"{source}: {printable(current.subject.rfc4514_string())} was not signed by an authority of "
                "the chain; was it made by another authority?",
            )
        _check_dates(issuer, now, f"{source}: authority {printable(issuer.subject.rfc4514_string())}")
        if not _is_authority(issuer, source):
            raise CertificateError(
                Reason.OTHER_AUTHORITY,
                f"{source}: {printable(issuer.subject.rfc4514_string())} is no authority, yet it signed",
            )
        path.append(issuer)
        if _signed_by(issuer, issuer):
            return path
        current = issuer
    raise CertificateError(Reason.OTHER_AUTHORITY, f"{source}: its chain does not end in a root")


def read_certificates(content: bytes, source: str) -> list[x509.Certificate]:
    """Return the certificates of PEM text, at least one.

    Raises:
        CertificateError: It holds none.
    """
    try:
        if len(content) > _LARGEST:
            raise ValueError
        certificates = x509.load_pem_x509_certificates(content)
        for each in certificates:  # parsed only when asked for
            _ = each.subject, each.issuer, each.not_valid_after_utc
            if each.serial_number <= 0:
                raise ValueError("serial number")
        return certificates
    except UNPARSABLE as error:
        raise CertificateError(
            Reason.UNREADABLE, f"{source}: holds no readable certificate in PEM form"
        ) from error


def _check_leaf(certificate: x509.Certificate, role: Role, now: datetime, source: str) -> None:
    _check_dates(certificate, now, source)
    if _is_authority(certificate, source):
        raise CertificateError(
            Reason.IS_AUTHORITY, f"{source}: is an authority's certificate, which identifies nobody"
        )
    if role is Role.CLIENT:
        wanted, reason, word = ExtendedKeyUsageOID.CLIENT_AUTH, Reason.NOT_FOR_CLIENTS, "clientAuth"
    else:
        wanted, reason, word = ExtendedKeyUsageOID.SERVER_AUTH, Reason.NOT_FOR_SERVERS, "serverAuth"
    extended = _extension(certificate, x509.ExtendedKeyUsage, source)
    if extended is None or wanted not in extended:
        raise CertificateError(reason, f"{source}: its extended key usage lacks {word}")
    usage = _extension(certificate, x509.KeyUsage, source)
    if usage is not None and not usage.digital_signature:
        raise CertificateError(Reason.BAD_KEY_USAGE, f"{source}: its key usage lacks digitalSignature")


def _check_dates(certificate: x509.Certificate, now: datetime, source: str) -> None:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < start - SKEW:
        raise CertificateError(
            Reason.NOT_YET_VALID,
            f"{source}: is valid from {start:%Y-%m-%dT%H:%M:%SZ}, now it is {now:%Y-%m-%dT%H:%M:%SZ}; "
            "is the clock right?",
        )
    if now > end + SKEW:
        raise CertificateError(
            Reason.EXPIRED,
            f"{source}: ended {end:%Y-%m-%dT%H:%M:%SZ}, now it is {now:%Y-%m-%dT%H:%M:%SZ}; renew it",
        )


def _is_authority(certificate: x509.Certificate, source: str) -> bool:
    constraints = _extension(certificate, x509.BasicConstraints, source)
    return constraints is not None and constraints.ca


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except UNPARSABLE:
        return False
    return True


def _extension(certificate: x509.Certificate, kind: type[_Extension], source: str) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except UNPARSABLE as error:
        raise CertificateError(Reason.UNREADABLE, f"{source}: its extensions cannot be read") from error


def _alternative_names(certificate: x509.Certificate, source: str) -> list[x509.GeneralName]:
    names = _extension(certificate, x509.SubjectAlternativeName, source)
    return [] if names is None else list(names)


def _fits(name: x509.GeneralName, address: str) -> bool:
    ip = as_address(address)
    if ip is not None:
        return isinstance(name, x509.IPAddress) and name.value == ip
    if not isinstance(name, x509.DNSName):
        return False
    pattern, wanted = name.value.lower(), address.lower()
    if pattern.startswith("*."):  # stands for exactly one label (RFC 6125, 6.4.3)
        return "." in wanted and wanted.partition(".")[2] == pattern[2:]
    return pattern == wanted
