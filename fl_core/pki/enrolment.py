"""The steps by which a party comes to its certificate: request, signing, import."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from fl_core.durable import Disk
from fl_core.pki.authorised import add_authorised, read_authorised
from fl_core.pki.authority import Authority, issue
from fl_core.pki.book import locked
from fl_core.pki.certificate import LEAF_DAYS, Role, fingerprint, pem
from fl_core.pki.data_paths import read_data_paths, record_data_path
from fl_core.pki.errors import CertificateError, Reason
from fl_core.pki.keys import KeyType, PrivateKey, new_key, read_key, write_key
from fl_core.pki.layout import Layout
from fl_core.pki.names import check_fqdn, check_name
from fl_core.pki.package import (
    read_reply_package,
    read_request_package,
    write_reply_package,
    write_request_package,
)
from fl_core.pki.request import Request, new_request, read_request
from fl_core.pki.verify import check_chain, check_server, client_identity, read_certificates


@dataclass(frozen=True)
class Prepared:
    """A request that was made.

    Attributes:
        request: The request.
        path: Where it lies: the package of a collaborator, the CSR of the aggregator.
        key: The key's file.
        new_key: Whether the key was made now; one that is there is kept.
    """

    request: Request
    path: Path
    key: Path
    new_key: bool


@dataclass(frozen=True)
class Imported:
    """A certificate that was put in its place.

    Attributes:
        name: The collaborator.
        certificate: Its certificate.
        path: The file of it.
        root_fingerprint: SHA-256 of the root's certificate, to be compared with the authority's.
    """

    name: str
    certificate: x509.Certificate
    path: Path
    root_fingerprint: str


def request_server(
    layout: Layout, fqdn: str, kind: KeyType, passphrase: bytes | None, disk: Disk
) -> Prepared:
    """Make the aggregator's key, unless it is there, and its request.

    Raises:
        CertificateError: A bad name, or the key that is there cannot be read.
    """
    name = check_fqdn(fqdn)
    key, made = _key(layout.server(name, "key"), kind, passphrase)
    path = layout.server(name, "csr")
    content = new_request(key, name)
    disk.write(path, content)
    return Prepared(
        read_request(content, name, Role.SERVER, str(path)), path, layout.server(name, "key"), made
    )


def request_client(
    layout: Layout,
    folder: Path,
    name: str,
    data: str | None,
    kind: KeyType,
    passphrase: bytes | None,
    disk: Disk,
) -> Prepared:
    """Make a collaborator's key, unless it is there, its request, and the package for the authority.

    Args:
        layout: The collaborator's workspace.
        folder: Where the package is written.
        name: The collaborator.
        data: Its data, recorded in ``plan/data.yaml``; None records nothing.
        kind: Type of a new key.
        passphrase: Of the key, new or there already.
        disk: For the files.

    Raises:
        CertificateError: A bad name, or the key that is there cannot be read.
        InputError: ``plan/data.yaml`` is of another form.
    """
    check_name(name)
    read_data_paths(layout.data_paths)  # an unreadable file stops this before a key is made
    key, made = _key(layout.client(name, "key"), kind, passphrase)
    content = new_request(key, name)
    disk.write(layout.client(name, "csr"), content)
    if data is not None:
        record_data_path(layout.data_paths, name, data, disk)
    path = write_request_package(folder, name, content)
    return Prepared(
        read_request(content, name, Role.CLIENT, str(path)), path, layout.client(name, "key"), made
    )


def waiting_server(layout: Layout, fqdn: str | None, own_fqdn: str) -> Request:
    """Return the aggregator's request: the one asked for, this machine's, or the only one that is there.

    Raises:
        CertificateError: There is none, or it is refused.
    """
    name = check_fqdn(fqdn if fqdn is not None else own_fqdn)
    path = layout.server(name, "csr")
    if not path.is_file():
        there = sorted(path.parent.glob("agg_*.csr"))
        if fqdn is not None or len(there) != 1:
            known = ", ".join(each.name for each in there) or "none"
            raise CertificateError(
                Reason.MISSING,
                f"{path}: there is no such request (there: {known}); "
                "`fx aggregator generate-cert-request --fqdn NAME` makes one",
            )
        path = there[0]
        name = path.name.removeprefix("agg_").removesuffix(".csr")
    return read_request(path.read_bytes(), name, Role.SERVER, str(path))


def sign_server(
    layout: Layout, authority: Authority, request: Request, now: datetime, days: int, disk: Disk
) -> tuple[x509.Certificate, Path]:
    """Issue the aggregator's certificate and put it in its place."""
    certificate = issue(layout, authority, request, now, days, disk)
    path = layout.server(request.name, "crt")
    check_server(pem(certificate), request.name, now, str(path))
    disk.write(path, pem(certificate))
    return certificate, path


def open_request(package: Path) -> Request:
    """Return the checked request of a collaborator's package.

    Raises:
        ArchiveError: A broken or hostile archive.
        CertificateError: The request is refused.
    """
    name, content = read_request_package(package)
    return read_request(content, name, Role.CLIENT, str(package))


def sign_client(
    layout: Layout,
    authority: Authority,
    request: Request,
    folder: Path,
    now: datetime,
    disk: Disk,
    days: int = LEAF_DAYS,
    max_samples: int | None = None,
) -> tuple[x509.Certificate, Path]:
    """Keep the request, issue the certificate, write the reply, and authorise the collaborator.

    Returns:
        The certificate, and the path of the reply in `folder`.

    Raises:
        InputError: The authorised list is of another form; nothing was signed then.
    """
    read_authorised(layout.authorised)
    _keep_request(layout, request)
    certificate = issue(layout, authority, request, now, days, disk)
    reply = write_reply_package(folder, request.name, pem(certificate), authority.chain_pem)
    with locked(layout.ca):
        add_authorised(layout.authorised, request.name, disk, max_samples)
    return certificate, reply


def import_reply(
    layout: Layout, package: Path, passphrase: bytes | None, now: datetime, disk: Disk
) -> Imported:
    """Put a collaborator's certificate and the authority's chain in their places, after every check.

    Raises:
        ArchiveError: A broken or hostile archive.
        CertificateError: The certificate is not for this workspace's key, not of that name, not from the
            authority of the chain, or the workspace trusts another authority.
    """
    name, content, chain_pem = read_reply_package(package)
    source = str(package)
    certificate = read_certificates(content, source)[0]
    chain = read_certificates(chain_pem, source)
    found = client_identity(content, now, source).name
    if found != name:
        raise CertificateError(Reason.OTHER_NAME, f"{source}: holds a certificate of {found}, not of {name}")
    authorities = check_chain(certificate, chain, now, source)
    if certificate.public_key() != _own_public_key(layout, name, passphrase):
        raise CertificateError(
            Reason.OTHER_KEY,
            f"{source}: is not for {layout.client(name, 'key')}; is it the reply to an earlier request?",
        )
    _check_trusted(layout, authorities, source)
    path = layout.client(name, "crt")
    disk.write(layout.chain, pem(*authorities))
    disk.write(path, pem(certificate))
    return Imported(name, certificate, path, fingerprint(authorities[-1]))


def _key(path: Path, kind: KeyType, passphrase: bytes | None) -> tuple[PrivateKey, bool]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return read_key(path, passphrase), False
    key = new_key(kind)
    write_key(path, key, passphrase)
    return key, True


def _check_trusted(layout: Layout, authorities: list[x509.Certificate], source: str) -> None:
    """Refuse another authority than the workspace trusts already."""
    if not layout.chain.exists():
        return
    trusted = read_certificates(layout.chain.read_bytes(), str(layout.chain))
    if authorities[-1] not in trusted:
        raise CertificateError(
            Reason.OTHER_AUTHORITY,
            f"{source}: comes from another authority than {layout.chain}; move that away to trust this one",
        )


def _keep_request(layout: Layout, request: Request) -> None:
    """Keep a request under a name of its own; it overwrites nothing, not even an earlier one of its name."""
    layout.requests.mkdir(parents=True, exist_ok=True)
    path = layout.requests / f"col_{request.name}.{request.fingerprint[:16]}.csr"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    except FileExistsError as error:
        if path.is_symlink() or path.read_bytes() != request.pem:
            raise CertificateError(
                Reason.ALREADY_THERE, f"{path}: is there with other content; move it away"
            ) from error
        return
    with os.fdopen(handle, "wb") as file:
        file.write(request.pem)


def _own_public_key(layout: Layout, name: str, passphrase: bytes | None) -> object:
    """Return the public key of a collaborator, from the request where there is one: it has no passphrase."""
    request, key = layout.client(name, "csr"), layout.client(name, "key")
    if request.is_file() and key.is_file():
        return read_request(request.read_bytes(), name, Role.CLIENT, str(request)).public_key
    if request.is_file():
        raise CertificateError(
            Reason.MISSING, f"{key}: there is no such key, so the certificate is of no use"
        )
    return read_key(key, passphrase).public_key()
