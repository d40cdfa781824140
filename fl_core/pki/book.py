"""The authority's book: every certificate that it issued, and which of them it took back."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from fl_core.durable import Disk
from fl_core.pki.certificate import Role
from fl_core.pki.errors import CertificateError, Reason
from fl_core.pki.serial import parse_serial, serial_text

SCHEMA: Literal["ca-book/1"] = "ca-book/1"
EXPIRING = timedelta(days=30)
"""So long before its end a certificate is called expiring."""

Why = Literal["unspecified", "key-compromise", "affiliation-changed", "superseded", "cessation-of-operation"]
"""Reasons of a revocation (RFC 5280, 5.3.1)."""


class Status(StrEnum):
    """Where a certificate stands."""

    VALID = "valid"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    REVOKED = "revoked"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Revoked(_Strict):
    """When and why a certificate was taken back."""

    at: AwareDatetime
    reason: Why


class Issued(_Strict):
    """A certificate as the book has it.

    Attributes:
        serial: Serial number in lower-case hexadecimal.
        subject: Common name.
        role: What it is for.
        issued_at: When it was signed.
        not_after: When it ends.
        request_sha256: SHA-256 of the request's DER form.
        revoked: When and why it was taken back, if it was.
    """

    serial: str = Field(pattern=r"^([0-9a-f]{2}){1,20}$")
    subject: str
    role: Role
    issued_at: AwareDatetime
    not_after: AwareDatetime
    request_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    revoked: Revoked | None = None

    def status(self, now: datetime) -> Status:
        """Return where the certificate stands at a time."""
        return Status.REVOKED if self.revoked else status_of(self.not_after, now)


class Book(_Strict):
    """The book as a value; every change is a new one."""

    schema_: Literal["ca-book/1"] = Field(default=SCHEMA, alias="schema")
    issued: tuple[Issued, ...] = ()

    def with_issued(self, entry: Issued) -> Book:
        """Return the book with one more certificate."""
        return self.model_copy(update={"issued": (*self.issued, entry)})

    def living(self, subject: str, role: Role, now: datetime) -> list[Issued]:
        """Return the certificates of a subject that are neither over nor revoked."""
        return [
            entry
            for entry in self.issued
            if (entry.subject, entry.role) == (subject, role)
            and entry.status(now) in (Status.VALID, Status.EXPIRING)
        ]

    def find(self, name_or_serial: str) -> list[Issued]:
        """Return what a revocation means: one certificate by serial, or all of a subject.

        Raises:
            CertificateError: Nothing fits, or it fits a collaborator and the aggregator alike.
        """
        try:
            serial = serial_text(parse_serial(name_or_serial))
        except ValueError:
            serial = ""
        by_serial = [entry for entry in self.issued if entry.serial == serial]
        by_name = [entry for entry in self.issued if entry.subject == name_or_serial]
        found = by_serial or by_name
        if not found:
            raise CertificateError(
                Reason.UNKNOWN_ENTRY,
                f"the book has no certificate of {name_or_serial[:80]!r}; --list shows names and serials",
            )
        if (by_serial and by_name) or len({entry.role for entry in found}) > 1:
            raise CertificateError(
                Reason.UNKNOWN_ENTRY,
                f"{name_or_serial} fits more than one holder; give the full serial (--list shows it)",
            )
        return found

    def with_revoked(self, serials: set[str], at: datetime, reason: Why) -> Book:
        """Return the book with certificates taken back; the first date and reason of each stay."""
        revoked = Revoked(at=at, reason=reason)
        return self.model_copy(
            update={
                "issued": tuple(
                    entry.model_copy(update={"revoked": revoked})
                    if entry.serial in serials and entry.revoked is None
                    else entry
                    for entry in self.issued
                )
            }
        )


def status_of(not_after: datetime, now: datetime) -> Status:
    """Return where a certificate stands by its end alone.

    Example:
        >>> from datetime import UTC
        >>> status_of(datetime(2030, 1, 31, tzinfo=UTC), datetime(2030, 1, 2, tzinfo=UTC))
        <Status.EXPIRING: 'expiring'>
    """
    if now > not_after:
        return Status.EXPIRED
    return Status.EXPIRING if not_after - now < EXPIRING else Status.VALID


def read_book(path: Path) -> Book:
    """Return a book; an empty one where there is no file.

    Raises:
        CertificateError: It is there and cannot be read.
    """
    try:
        return Book.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Book()
    except (ValidationError, OSError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise CertificateError(
            Reason.UNREADABLE, f"{path}: is not a book of the form {SCHEMA} ({what}); put back a copy of it"
        ) from error


def write_book(path: Path, book: Book, disk: Disk) -> None:
    """Replace a book."""
    disk.write(path, (book.model_dump_json(by_alias=True, indent=1) + "\n").encode())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other process that signs or revokes out of a folder meanwhile."""
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
