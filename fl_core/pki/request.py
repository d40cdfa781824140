"""Certificate signing requests (PKCS #10): made, read from strangers, shown and checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from fl_core.pki.certificate import Role
from fl_core.pki.errors import CertificateError, Reason
from fl_core.pki.keys import PrivateKey, PublicKey, check_strength, describe_key
from fl_core.pki.names import check_fqdn, check_name
from fl_core.pki.unparsable import UNPARSABLE

LARGEST = 64 << 10
"""Bytes of a request."""

_BEGIN = b"-----BEGIN CERTIFICATE REQUEST-----"
_SHOWN = 200


@dataclass(frozen=True)
class Request:
    """A request that passed every check.

    Attributes:
        name: The common name.
        role: What the certificate is wanted for.
        public_key: The key to be certified.
        fingerprint: SHA-256 of the request's DER form, in hexadecimal.
        pem: The request itself.
        subject: The subject as the request has it, safe to print.
        alternative_names: What it asks for, safe to print; nothing of it is taken over.
        extensions: Names of the extensions it asks for; nothing of them is taken over.
    """

    name: str
    role: Role
    public_key: PublicKey = field(repr=False)
    fingerprint: str
    pem: bytes = field(repr=False)
    subject: str
    alternative_names: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return what the one who signs has to see."""
        return [
            f"subject:              {self.subject}",
            f"role:                 {self.role}",
            f"key:                  {describe_key(self.public_key)}",
            f"alternative names:    {', '.join(self.alternative_names) or 'none'}",
            f"requested extensions: {', '.join(self.extensions) or 'none'} (none is taken over)",
            f"SHA-256 fingerprint:  {self.fingerprint}",
        ]


def new_request(key: PrivateKey, name: str) -> bytes:
    """Return a request for a name as PEM; the authority adds everything else."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA384())
    return signed.public_bytes(serialization.Encoding.PEM)


def read_request(content: bytes, name: str, role: Role, source: str) -> Request:
    """Return a stranger's request after every check.

    Args:
        content: PEM.
        name: The name it must be for.
        role: What the certificate is wanted for.
        source: Where it came from, for messages.

    Raises:
        CertificateError: Unreadable, another name than `name`, a weak key, a signature that does not fit.

    Example:
        >>> from fl_core.pki.keys import new_key
        >>> read_request(new_request(new_key(), "one"), "one", Role.CLIENT, "a test").subject
        'CN=one'
    """
    asked = check_name(name) if role is Role.CLIENT else check_fqdn(name)
    parsed = _parsed(content, source)
    found = common_name(parsed.subject, source)
    same = found == asked if role is Role.CLIENT else found.lower() == asked
    if not same:
        raise CertificateError(
            Reason.OTHER_NAME,
            f"{source}: is a request for {printable(found)}, not for {asked}; ask for a request in that name",
        )
    try:
        public = check_strength(parsed.public_key(), source)
        signed = parsed.is_signature_valid
    except UNPARSABLE as error:
        raise CertificateError(
            Reason.BAD_SIGNATURE, f"{source}: its key or signature is of an unknown kind"
        ) from error
    if not signed:
        raise CertificateError(
            Reason.BAD_SIGNATURE,
            f"{source}: is not signed with the key that it is for; ask for an undamaged one",
        )
    names, extensions = _wishes(parsed, source)
    der = parsed.public_bytes(serialization.Encoding.DER)
    return Request(
        name=asked,
        role=role,
        public_key=public,
        fingerprint=sha256(der).hexdigest(),
        pem=parsed.public_bytes(serialization.Encoding.PEM),
        subject=printable(parsed.subject.rfc4514_string()),
        alternative_names=names,
        extensions=extensions,
    )


def common_name(subject: x509.Name, source: str) -> str:
    """Return the one common name of a subject.

    Raises:
        CertificateError: None, or several.
    """
    found = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(found) != 1:
        raise CertificateError(
            Reason.NO_COMMON_NAME, f"{source}: has {len(found)} common names (CN) in its subject, not one"
        )
    value = found[0].value
    return value if isinstance(value, str) else value.decode("latin-1")


def printable(text: str) -> str:
    r"""Return text of a stranger so that it cannot steer a terminal.

    Example:
        >>> printable("CN=a" + chr(27) + "[2J")
        'CN=a\\x1b[2J'
    """
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:_SHOWN])
    return shown + ("..." if len(text) > _SHOWN else "")


def _parsed(content: bytes, source: str) -> x509.CertificateSigningRequest:
    if len(content) > LARGEST:
        raise CertificateError(Reason.UNREADABLE, f"{source}: is larger than {LARGEST} bytes")
    if content.count(_BEGIN) > 1:
        raise CertificateError(Reason.UNREADABLE, f"{source}: holds more than one request")
    try:
        parsed = x509.load_pem_x509_csr(content)
        _ = parsed.subject  # parsed only when asked for
        return parsed
    except UNPARSABLE as error:
        raise CertificateError(
            Reason.UNREADABLE, f"{source}: is not a certificate signing request (PKCS #10) in PEM form"
        ) from error


def _wishes(parsed: x509.CertificateSigningRequest, source: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        wished: Iterable[x509.Extension[x509.ExtensionType]] = list(parsed.extensions)
    except UNPARSABLE as error:
        raise CertificateError(
            Reason.UNREADABLE, f"{source}: the extensions it asks for cannot be read"
        ) from error
    names: list[str] = []
    for extension in wished:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names = [printable(_general_name(name)) for name in extension.value]
    return tuple(names), tuple(_extension_name(extension) for extension in wished)


def _extension_name(extension: x509.Extension[x509.ExtensionType]) -> str:
    # The library's own name of an object identifier is the only one that there is.
    name = getattr(extension.oid, "_name", "Unknown OID")
    if isinstance(extension.value, x509.BasicConstraints):
        return f"{name} (CA:{str(extension.value.ca).upper()})"
    if isinstance(extension.value, x509.ExtendedKeyUsage):
        return (
            f"{name} ({', '.join(str(getattr(oid, '_name', oid.dotted_string)) for oid in extension.value)})"
        )
    return extension.oid.dotted_string if name == "Unknown OID" else str(name)


def _general_name(name: x509.GeneralName) -> str:
    kind = {x509.DNSName: "DNS", x509.IPAddress: "IP", x509.UniformResourceIdentifier: "URI"}.get(
        type(name), type(name).__name__
    )
    return f"{kind}:{name.value}"
