"""The journal: what happened, one line an event, durable before it counts.

JSON lines. The first names the schema and what the journal is about; every line carries a checksum of its
record. It holds events and digests, never arrays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import xxhash

from fl_core.durable import Disk
from fl_core.errors import FederationError

SCHEMA: Final = "federation-journal/1"


class JournalError(FederationError):
    """A journal that is damaged, or of a version that this program does not read."""


@dataclass(frozen=True)
class Entries:
    """What a journal holds.

    Attributes:
        about: What it is about, from its first line.
        records: In the order in which they were added.
        torn: Whether the last line was cut off when the process died; it is not among the records.
    """

    about: Mapping[str, Any]
    records: tuple[Mapping[str, Any], ...]
    torn: bool = False


class Journal:
    """A file to which events are added durably. One process at a time may write it.

    Args:
        path: The file, which `begin` or `resume` has put in order.
        disk: How it is written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "journal.jsonl"
        ...     Journal.begin(path, {"round": 0}, Disk()).add({"event": "dropped", "site": "a"})
        ...     read(path).records
        ({'event': 'dropped', 'site': 'a'},)
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk

    @classmethod
    def begin(cls, path: Path, about: Mapping[str, Any], disk: Disk) -> Journal:
        """Begin a journal, in the place of any that stands there.

        Raises:
            OSError: The disk refused.
        """
        disk.write(path, _line({"schema": SCHEMA, **about}))
        return cls(path, disk)

    @classmethod
    def resume(cls, path: Path, disk: Disk) -> tuple[Journal, Entries]:
        """Go on with a journal; a torn last line is cut off.

        Raises:
            JournalError: See `read`.
            OSError: The disk refused.
        """
        entries = read(path)
        if entries.torn:
            whole = [{"schema": SCHEMA, **entries.about}, *entries.records]
            disk.write(path, b"".join(map(_line, whole)))
        return cls(path, disk), entries

    def add(self, record: Mapping[str, Any]) -> None:
        """Add an event; it is durable when this returns.

        Raises:
            OSError: The disk refused; nothing was added.
        """
        self._disk.append(self._path, _line(record))


def read(path: Path) -> Entries:
    """Read a journal.

    Raises:
        JournalError: It cannot be read, another line than the last is damaged, or the schema is unknown.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise JournalError(f"{path}: cannot be read: {error.strerror or error}") from error
    unfinished = lines.pop()
    records = [_record(line) for line in lines]
    torn = bool(unfinished)
    if records and records[-1] is None:
        records.pop()
        torn = True
    for number, record in enumerate(records, 1):
        if record is None:
            raise JournalError(
                f"{path}: line {number} is damaged, and lines follow it, so it was not cut off by a crash: "
                "restore the file, or move its folder away to begin anew"
            )
    if not records or records[0] is None:
        raise JournalError(f"{path}: its first line is missing: restore the file, or move its folder away")
    about = dict(records[0])
    schema = about.pop("schema", None)
    if schema != SCHEMA:
        raise JournalError(f"{path}: has the schema {schema!r}; this program reads {SCHEMA!r}")
    return Entries(about, tuple(record for record in records[1:] if record is not None), torn)


def _line(record: Mapping[str, Any]) -> bytes:
    body = _canonical(record)
    return b'{"checksum":"%s","record":%s}\n' % (xxhash.xxh3_64_hexdigest(body).encode(), body)


def _record(line: bytes) -> dict[str, Any] | None:
    """Return a line's record; None where the line is damaged."""
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("record"), dict):
        return None
    record: dict[str, Any] = parsed["record"]
    return record if _line(record) == line + b"\n" else None


def _canonical(record: Mapping[str, Any]) -> bytes:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode()
