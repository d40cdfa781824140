"""What stands in the certificates that are issued here (RFC 5280), as functions over values."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fl_core.pki.errors import CertificateError, Reason
from fl_core.pki.keys import PrivateKey, PublicKey
from fl_core.pki.names import as_address

BACKDATED = timedelta(hours=1)
"""Certificates are valid from this long before their issue, for peers whose clocks are behind."""

ROOT_DAYS, SIGNING_DAYS, LEAF_DAYS = 3653, 1826, 365

URN = "urn:fl:collaborator:"
"""Begins the subject alternative name of a collaborator. A DNS name there could pass for a server's."""


class Role(StrEnum):
    """What the holder of a certificate may be."""

    SERVER = "server"
    CLIENT = "client"


def self_signed(key: PrivateKey, name: str, now: datetime) -> x509.Certificate:
    """Return the root's certificate."""
    subject = _common_name(name)
    builder = _begun(subject, key.public_key(), now, ROOT_DAYS).issuer_name(subject)
    return _as_authority(builder, path_length=1).sign(key, hashes.SHA384())


def signing_certificate(
    public: PublicKey, name: str, root: x509.Certificate, root_key: PrivateKey, now: datetime
) -> x509.Certificate:
    """Return the certificate of the signing authority, which may sign no further authority."""
    builder = _begun(_common_name(name), public, now, SIGNING_DAYS, latest=root.not_valid_after_utc)
    builder = _as_authority(builder.issuer_name(root.subject), path_length=0)
    return builder.add_extension(_authority_key(root), critical=False).sign(root_key, hashes.SHA384())


def leaf(
    role: Role,
    name: str,
    public: PublicKey,
    issuer: x509.Certificate,
    issuer_key: PrivateKey,
    now: datetime,
    days: int = LEAF_DAYS,
) -> x509.Certificate:
    """Return a certificate for the aggregator or a collaborator.

    Everything in it is set here; nothing but the public key comes from a request. It ends with its
    issuer's at the latest.

    Args:
        role: Fixes the one extended key usage.
        name: Checked name of the collaborator, or the aggregator's DNS name or IP address.
        public: Checked public key.
        issuer: The signing authority's certificate.
        issuer_key: Its key.
        now: Time of issue.
        days: Days of validity, at least 1.

    Raises:
        CertificateError: The issuer's certificate is not valid now, or `days` is below 1.
    """
    if days < 1:
        raise CertificateError(Reason.EXPIRED, f"--days {days}: a certificate is valid for at least one day")
    if now >= issuer.not_valid_after_utc:
        raise CertificateError(
            Reason.EXPIRED,
            f"the signing authority's certificate ended on {issuer.not_valid_after_utc:%Y-%m-%d}; move "
            "cert/ca and cert/cert_chain.crt away and make a new authority",
        )
    usage = ExtendedKeyUsageOID.SERVER_AUTH if role is Role.SERVER else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = _begun(_common_name(name), public, now, days, latest=issuer.not_valid_after_utc)
    return (
        builder.issuer_name(issuer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_alternative_name(role, name)]), critical=False)
        .add_extension(_authority_key(issuer), critical=False)
        .sign(issuer_key, hashes.SHA384())
    )


def pem(*certificates: x509.Certificate) -> bytes:
    """Return certificates as PEM, one after the other."""
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return a certificate's SHA-256 in hexadecimal, as ``openssl x509 -fingerprint -sha256`` has it."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(
    subject: x509.Name, public: PublicKey, now: datetime, days: int, latest: datetime | None = None
) -> x509.CertificateBuilder:
    start = (now - BACKDATED).replace(microsecond=0)
    end = (now + timedelta(days=days)).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(min(end, latest) if latest else end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _as_authority(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    return builder.add_extension(
        x509.BasicConstraints(ca=True, path_length=path_length), critical=True
    ).add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _alternative_name(role: Role, name: str) -> x509.GeneralName:
    if role is Role.CLIENT:
        return x509.UniformResourceIdentifier(URN + name)
    address = as_address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)
