"""The commands of ``fx`` that deal with certificates; the steps themselves are in `fl_core.pki`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from fl_core.pki.authority import Authority
    from fl_core.pki.enrolment import Prepared
    from fl_core.pki.layout import Layout
    from fl_core.pki.request import Request

KeyKind = Annotated[
    Literal["ecdsa", "rsa"],
    typer.Option("--key-type", help="Of a new key: ECDSA secp384r1 or RSA with 3072 bits."),
]
Passphrase = Annotated[
    str | None,
    typer.Option(
        "--key-passphrase",
        metavar="SOURCE",
        help="Where the key's passphrase is: env:VARIABLE, file:PATH or prompt. It encrypts a new key.",
    ),
]
Silent = Annotated[bool, typer.Option("-s", "--silent", help="Ask nothing; answer yes.")]
Fqdn = Annotated[
    str | None,
    typer.Option(
        "--fqdn", metavar="FQDN", help="The aggregator's DNS name or IP address; else this machine's."
    ),
]
Name = Annotated[
    str, typer.Option("-n", "--collaborator-name", "--name", metavar="NAME", help="The collaborator's name.")
]
Days = Annotated[
    int,
    typer.Option("--days", min=1, max=3653, help="Days of validity, at most to the end of the authority."),
]


def register_workspace(group: typer.Typer) -> None:
    """Add ``certify`` to the group ``fx workspace``."""
    group.command("certify")(certify_workspace)


def register_aggregator(group: typer.Typer) -> None:
    """Add ``generate-cert-request`` and ``certify`` to the group ``fx aggregator``."""
    group.command("generate-cert-request")(request_for_aggregator)
    group.command("certify")(certify_aggregator)


def register_collaborator(group: typer.Typer) -> None:
    """Add ``generate-cert-request`` and ``certify`` to the group ``fx collaborator``."""
    group.command("generate-cert-request")(request_for_collaborator)
    group.command("certify")(certify_collaborator)


def certify_workspace(
    key_type: KeyKind = "ecdsa",
    key_passphrase: Passphrase = None,
    listed: Annotated[
        bool, typer.Option("--list", help="Show the authority's book: issued, revoked, expiring.")
    ] = False,
    revoked: Annotated[
        str | None,
        typer.Option("--revoke", metavar="NAME|SERIAL", help="Take certificates back, by name or serial."),
    ] = None,
    reason: Annotated[
        Literal[
            "unspecified", "key-compromise", "affiliation-changed", "superseded", "cessation-of-operation"
        ],
        typer.Option("--reason", help="Why; for the book."),
    ] = "unspecified",
) -> None:
    """Make the certificate authority of this workspace, or look after its book."""
    from fl_core.durable import Disk
    from fl_core.errors import InputError

    layout = _layout()
    if listed and revoked is not None:
        raise InputError("--list and --revoke are two calls")
    if listed:
        _show_book(layout)
    elif revoked is not None:
        from fl_core.pki.authority import revoke

        for serial in revoke(layout, revoked, reason, _now(), Disk()):
            typer.echo(f"revoked {serial}")
        typer.echo(f"{layout.revoked} holds it; a running aggregator reads it at the next call", err=True)
    else:
        from fl_core.pki.authority import found_authority
        from fl_core.pki.certificate import fingerprint
        from fl_core.pki.keys import KeyType

        passphrase = _passphrase(key_passphrase, new=True)
        made = found_authority(layout, KeyType(key_type), passphrase, _now(), Disk())
        typer.echo(f"certificate authority: {layout.ca}, chain: {layout.chain}", err=True)
        typer.echo("root certificate, SHA-256 (sites compare it after their import):", err=True)
        typer.echo(fingerprint(made.root))


def request_for_aggregator(
    fqdn: Fqdn = None, key_type: KeyKind = "ecdsa", key_passphrase: Passphrase = None
) -> None:
    """Make the aggregator's key and its certificate signing request."""
    from fl_core.durable import Disk
    from fl_core.pki.enrolment import request_server
    from fl_core.pki.keys import KeyType
    from fl_core.pki.names import check_fqdn

    layout = _layout()
    name = check_fqdn(fqdn if fqdn is not None else _own_fqdn())
    passphrase = _passphrase(key_passphrase, new=not layout.server(name, "key").exists())
    _show_prepared(request_server(layout, name, KeyType(key_type), passphrase, Disk()))


def certify_aggregator(
    fqdn: Fqdn = None, silent: Silent = False, key_passphrase: Passphrase = None, days: Days = 365
) -> None:
    """Sign the aggregator's request with this workspace's authority."""
    from fl_core.durable import Disk
    from fl_core.pki.enrolment import sign_server, waiting_server

    layout = _layout()
    request = waiting_server(layout, fqdn, _own_fqdn() if fqdn is None else fqdn)
    authority = _authority(layout, key_passphrase)
    now = _now()
    _confirm(layout, request, now, silent)
    certificate, path = sign_server(layout, authority, request, now, days, Disk())
    _show_certificate(certificate, path)


def request_for_collaborator(
    name: Name,
    data: Annotated[
        str | None,
        typer.Option("-d", "--data-path", metavar="DATA", help="Its data, recorded in plan/data.yaml."),
    ] = None,
    silent: Silent = False,
    key_type: KeyKind = "ecdsa",
    key_passphrase: Passphrase = None,
) -> None:
    """Make a collaborator's key and the package for the authority, in the current folder. Asks nothing."""
    from fl_core.durable import Disk
    from fl_core.pki.enrolment import request_client
    from fl_core.pki.keys import KeyType
    from fl_core.pki.names import check_name

    layout = _layout()
    passphrase = _passphrase(key_passphrase, new=not layout.client(check_name(name), "key").exists())
    _show_prepared(request_client(layout, Path(), name, data, KeyType(key_type), passphrase, Disk()))


def certify_collaborator(
    request_pkg: Annotated[
        Path | None,
        typer.Option("-r", "--request-pkg", metavar="ZIP", help="At the authority: the request to sign."),
    ] = None,
    imported: Annotated[
        Path | None, typer.Option("-i", "--import", metavar="ZIP", help="At the collaborator: the reply.")
    ] = None,
    silent: Silent = False,
    key_passphrase: Passphrase = None,
    days: Days = 365,
    max_samples: Annotated[
        int | None,
        typer.Option("--max-samples", min=1, metavar="N", help="Its update counts for no more samples."),
    ] = None,
) -> None:
    """Sign a collaborator's request (--request-pkg), or put the reply to it in its place (--import)."""
    from fl_core.errors import InputError

    if (request_pkg is None) == (imported is None):
        raise InputError(
            "give one of --request-pkg ZIP (at the authority) and --import ZIP (at the collaborator)"
        )
    if request_pkg is not None:
        _sign_collaborator(request_pkg, silent, key_passphrase, days, max_samples)
    elif imported is not None:
        _import_reply(imported, key_passphrase)


def _sign_collaborator(
    package: Path, silent: bool, key_passphrase: str | None, days: int, max_samples: int | None
) -> None:
    from fl_core.durable import Disk
    from fl_core.pki.enrolment import open_request, sign_client

    layout = _layout()
    request = open_request(package)
    authority = _authority(layout, key_passphrase)
    now = _now()
    _confirm(layout, request, now, silent)
    certificate, reply = sign_client(
        layout, authority, request, Path(), now, Disk(), days=days, max_samples=max_samples
    )
    _show_certificate(certificate, reply)
    typer.echo(f"{request.name} is authorised in {layout.authorised}; send {reply} back to it", err=True)


def _import_reply(package: Path, key_passphrase: str | None) -> None:
    from fl_core.durable import Disk
    from fl_core.pki.enrolment import import_reply

    found = import_reply(_layout(), package, _passphrase(key_passphrase, new=False), _now(), Disk())
    _show_certificate(found.certificate, found.path)
    typer.echo("root certificate, SHA-256 (compare it with the authority, not by the same mail):", err=True)
    typer.echo(found.root_fingerprint)


def _layout() -> Layout:
    from fl_core.pki.layout import Layout

    return Layout(Path())


def _now() -> datetime:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _own_fqdn() -> str:
    import socket

    return socket.getfqdn()


def _passphrase(source: str | None, *, new: bool) -> bytes | None:
    import os

    from fl_core.pki.passphrase import read_passphrase

    def ask() -> str:
        return str(typer.prompt("Passphrase of the key", hide_input=True, confirmation_prompt=new, err=True))

    return read_passphrase(source, os.environ, ask)


def _authority(layout: Layout, key_passphrase: str | None) -> Authority:
    from fl_core.pki.authority import load_authority

    return load_authority(layout, _passphrase(key_passphrase, new=False))


def _confirm(layout: Layout, request: Request, now: datetime, silent: bool) -> None:
    """Show a request, and go on only if the one who signs agrees."""
    from fl_core.errors import FederationError
    from fl_core.pki.book import read_book

    for line in request.lines():
        typer.echo(line)
    for entry in read_book(layout.book).living(request.name, request.role, now):
        typer.echo(f"note: {entry.serial}, valid to {entry.not_after:%Y-%m-%d}, stays valid until revoked")
    if silent:
        return
    try:
        agreed = typer.confirm("Is the fingerprint the one that you were told, and shall it be signed?")
    except typer.Abort as error:
        raise FederationError("not signed: nobody answered; --silent signs without asking") from error
    if not agreed:
        raise FederationError("not signed")


def _show_prepared(prepared: Prepared) -> None:
    made = "new key" if prepared.new_key else "key that was there"
    typer.echo(f"{made}: {prepared.key}, request: {prepared.path}", err=True)
    typer.echo("request, SHA-256 (tell it to the authority, not by the same mail):", err=True)
    typer.echo(prepared.request.fingerprint)


def _show_certificate(certificate: x509.Certificate, path: Path) -> None:
    from fl_core.pki.serial import serial_text

    typer.echo(
        f"certificate {serial_text(certificate.serial_number)}, valid to "
        f"{certificate.not_valid_after_utc:%Y-%m-%d}: {path}",
        err=True,
    )


def _show_book(layout: Layout) -> None:
    from fl_core.pki.authority import authority_certificates
    from fl_core.pki.book import read_book

    now = _now()
    rows = [("serial", "status", "role", "subject", "issued", "ends", "revoked")]
    for certificate in authority_certificates(layout):
        rows.append(_authority_row(certificate, now))
    for entry in read_book(layout.book).issued:
        back = f"{entry.revoked.at:%Y-%m-%d} {entry.revoked.reason}" if entry.revoked else ""
        dates = (f"{entry.issued_at:%Y-%m-%d}", f"{entry.not_after:%Y-%m-%d}")
        rows.append((entry.serial, entry.status(now), entry.role, entry.subject, *dates, back))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _authority_row(certificate: x509.Certificate, now: datetime) -> tuple[Any, ...]:
    from fl_core.pki.book import status_of
    from fl_core.pki.request import common_name
    from fl_core.pki.serial import serial_text

    ends = certificate.not_valid_after_utc
    subject = common_name(certificate.subject, "the authority")
    dates = (f"{certificate.not_valid_before_utc:%Y-%m-%d}", f"{ends:%Y-%m-%d}")
    return serial_text(certificate.serial_number), status_of(ends, now), "authority", subject, *dates, ""
