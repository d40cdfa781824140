"""The two-level authority for tests and pilots: a root, and a signing authority that signs all the rest.

After both were made, the root's key is no longer needed and can be kept on a medium in a safe.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from fl_core.durable import Disk
from fl_core.pki.book import Issued, Why, locked, read_book, write_book
from fl_core.pki.certificate import (
    LEAF_DAYS,
    leaf,
    pem,
    self_signed,
    signing_certificate,
)
from fl_core.pki.errors import CertificateError, Reason
from fl_core.pki.keys import KeyType, PrivateKey, new_key, read_key, write_key
from fl_core.pki.layout import Layout
from fl_core.pki.request import Request
from fl_core.pki.revocation import add_revoked
from fl_core.pki.serial import parse_serial, serial_text
from fl_core.pki.verify import read_certificates


@dataclass(frozen=True)
class Authority:
    """What signing takes.

    Attributes:
        key: The signing authority's key.
        certificate: Its certificate.
        root: The root's certificate.
    """

    key: PrivateKey = field(repr=False)
    certificate: x509.Certificate
    root: x509.Certificate

    @property
    def chain_pem(self) -> bytes:
        """Both certificates, signing first: the content of ``cert_chain.crt``."""
        return pem(self.certificate, self.root)

    def certify(self, request: Request, now: datetime, days: int = LEAF_DAYS) -> x509.Certificate:
        """Return the certificate for a checked request; nothing is written down.

        Example:
            >>> from datetime import UTC
            >>> from fl_core.pki.certificate import Role
            >>> from fl_core.pki.request import new_request, read_request
            >>> now = datetime.now(UTC)
            >>> authority, _ = new_authority(KeyType.ECDSA, now)
            >>> asked = read_request(new_request(new_key(), "one"), "one", Role.CLIENT, "a test")
            >>> authority.certify(asked, now).subject.rfc4514_string()
            'CN=one'
        """
        return leaf(request.role, request.name, request.public_key, self.certificate, self.key, now, days)


def new_authority(kind: KeyType, now: datetime) -> tuple[Authority, PrivateKey]:
    """Return a new authority and its root's key; nothing is written."""
    mark = secrets.token_hex(4)  # two authorities in one trust store must not share a subject
    root_key, key = new_key(kind), new_key(kind)
    root = self_signed(root_key, f"Federation root CA {mark}", now)
    name = f"Federation signing CA {mark}"
    certificate = signing_certificate(key.public_key(), name, root, root_key, now)
    return Authority(key, certificate, root), root_key


def found_authority(
    layout: Layout, kind: KeyType, passphrase: bytes | None, now: datetime, disk: Disk
) -> Authority:
    """Make the authority of a workspace: its folder appears whole or not at all.

    Where only ``cert_chain.crt`` is missing, as after a stop half-way, it is written again.

    Raises:
        CertificateError: There is an authority already.
    """
    if layout.ca.exists():
        if not layout.chain.exists():
            signing, root = authority_certificates(layout)
            disk.write(layout.chain, pem(signing, root))
            return Authority(read_key(layout.authority("signing", "key"), passphrase), signing, root)
        raise CertificateError(
            Reason.ALREADY_THERE,
            f"{layout.ca}: there is an authority already, and any plan can use it; --list shows its book. "
            "To begin with a new one, move cert/ca and cert/cert_chain.crt away",
        )
    if layout.chain.exists():
        raise CertificateError(
            Reason.ALREADY_THERE,
            f"{layout.chain}: there is a chain of another authority already; move it away to make a new one",
        )
    authority, root_key = new_authority(kind, now)
    layout.ca.parent.mkdir(parents=True, exist_ok=True)
    staging = layout.ca.with_name(f".ca.{secrets.token_hex(8)}")
    staging.mkdir(mode=0o700)
    try:
        write_key(staging / "root.key", root_key, passphrase)
        write_key(staging / "signing.key", authority.key, passphrase)
        disk.write(staging / "root.crt", pem(authority.root))
        disk.write(staging / "signing.crt", pem(authority.certificate))
        staging.rename(layout.ca)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    disk.write(layout.chain, authority.chain_pem)
    return authority


def load_authority(layout: Layout, passphrase: bytes | None) -> Authority:
    """Return a workspace's authority.

    Raises:
        CertificateError: There is none, or its key cannot be opened.
    """
    signing, root = authority_certificates(layout)
    key = read_key(layout.authority("signing", "key"), passphrase)
    if key.public_key() != signing.public_key():
        raise CertificateError(
            Reason.OTHER_KEY, f"{layout.ca}: signing.key does not belong to signing.crt; put back a copy"
        )
    return Authority(key, signing, root)


def issue(
    layout: Layout, authority: Authority, request: Request, now: datetime, days: int, disk: Disk
) -> x509.Certificate:
    """Return a certificate that stands in the book already, so that none is ever unknown to it.

    Raises:
        CertificateError: The book cannot be read, or the authority's own certificate has ended.
    """
    certificate = authority.certify(request, now, days)
    with locked(layout.ca):
        entry = Issued(
            serial=serial_text(certificate.serial_number),
            subject=request.name,
            role=request.role,
            issued_at=now.replace(microsecond=0),
            not_after=certificate.not_valid_after_utc,
            request_sha256=request.fingerprint,
        )
        write_book(layout.book, read_book(layout.book).with_issued(entry), disk)
    return certificate


def revoke(layout: Layout, name_or_serial: str, reason: Why, now: datetime, disk: Disk) -> list[str]:
    """Take certificates back; return their serials, those that were revoked before among them.

    The list that the aggregator reads is written after the book and from all of it, so that a second
    call mends what a stop in between left. Where the workspace has no authority, a serial goes straight
    to that list: this is how certificates from elsewhere are blocked.

    Raises:
        CertificateError: Neither a name nor a serial that is known here.
    """
    if not layout.ca.exists():
        try:
            serial = parse_serial(name_or_serial)
        except ValueError as error:
            raise CertificateError(
                Reason.UNKNOWN_ENTRY,
                "this workspace has no authority, so only a serial number (hexadecimal) can be revoked in it",
            ) from error
        add_revoked(layout.revoked, [serial], disk)
        return [serial_text(serial)]
    with locked(layout.ca):
        book = read_book(layout.book)
        serials = {entry.serial for entry in book.find(name_or_serial)}
        book = book.with_revoked(serials, now.replace(microsecond=0), reason)
        write_book(layout.book, book, disk)
        add_revoked(layout.revoked, [int(each.serial, 16) for each in book.issued if each.revoked], disk)
    return sorted(serials)


def authority_certificates(layout: Layout) -> tuple[x509.Certificate, x509.Certificate]:
    """Return the certificates of a workspace's authority, signing and root.

    Raises:
        CertificateError: There is none.
    """
    paths = layout.authority("signing", "crt"), layout.authority("root", "crt")
    for path in paths:
        if not path.is_file():
            raise CertificateError(
                Reason.MISSING, f"{path}: this workspace has no authority; `fx workspace certify` makes one"
            )
    (signing,), (root,) = (read_certificates(path.read_bytes(), str(path))[:1] for path in paths)
    return signing, root
