"""The rules of the authority's book."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fl_core.pki.book import Book, Issued, Status, read_book
from fl_core.pki.certificate import Role
from fl_core.pki.errors import CertificateError


def entry(serial: str, subject: str, role: Role, now: datetime, days: int = 100) -> Issued:
    return Issued(
        serial=serial,
        subject=subject,
        role=role,
        issued_at=now,
        not_after=now + timedelta(days=days),
        request_sha256="0" * 64,
    )


def test_the_books_rules(now: datetime, tmp_path: Path) -> None:
    book = Book(
        issued=(
            entry("0a", "agg", Role.SERVER, now),
            entry("0b", "agg", Role.CLIENT, now),
            entry("0c", "0a", Role.CLIENT, now, days=20),
            entry("0d", "old", Role.CLIENT, now, days=-1),
        )
    )
    assert [each.status(now) for each in book.issued] == [
        Status.VALID,
        Status.VALID,
        Status.EXPIRING,
        Status.EXPIRED,
    ]
    assert [each.serial for each in book.find("B")] == ["0b"]
    for ambiguous in ("agg", "0a"):
        with pytest.raises(CertificateError, match="more than one holder"):
            book.find(ambiguous)
    assert [each.serial for each in book.living("0a", Role.CLIENT, now)] == ["0c"]
    assert (
        book.living("old", Role.CLIENT, now)
        == []
        == book.living("agg", Role.CLIENT, now + timedelta(days=200))
    )

    for bad in ("{", '{"schema": "ca-book/2", "issued": []}', '{"schema": "ca-book/1", "issued": [{}]}'):
        (tmp_path / "book.json").write_text(bad)
        with pytest.raises(CertificateError, match="is not a book of the form ca-book/1"):
            read_book(tmp_path / "book.json")
