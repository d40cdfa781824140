"""The partition table: which institution has which case, as the CSV that challenges exchange.

Columns ``Partition_ID,Subject_ID`` and optionally ``TrainOrVal`` with ``train``, ``val``, ``test`` or
nothing. Everything is text: institution ``01`` is not ``1``.
"""

from __future__ import annotations

import csv
import io
import os
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from partitions.errors import DataError

Part = Literal["", "train", "val", "test"]

PARTS: tuple[Part, ...] = ("train", "val", "test", "")
_COLUMNS = ("Partition_ID", "Subject_ID", "TrainOrVal")


@dataclass(frozen=True)
class Row:
    """One case of one institution.

    Attributes:
        institution: ``Partition_ID``.
        case: ``Subject_ID``.
        part: ``TrainOrVal``; empty leaves the choice to the split.
        line: Line of the CSV, 0 for a row made by a scheme.
    """

    institution: str
    case: str
    part: Part = ""
    line: int = 0


@dataclass(frozen=True)
class Partition:
    """The rows of a partition; each case once.

    Attributes:
        rows: In the order of the file or of the scheme.
        source: The file or scheme that errors name.
    """

    rows: tuple[Row, ...]
    source: str

    @property
    def institutions(self) -> dict[str, tuple[Row, ...]]:
        """Rows by institution, institutions in the order of `institution_order`."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.institution, []).append(row)
        return {name: tuple(found[name]) for name in sorted(found, key=institution_order)}

    def where(self, row: Row) -> str:
        """Name a row's place for an error: file and line, or the scheme."""
        return f"{self.source}, line {row.line}" if row.line else self.source


def institution_order(name: str) -> tuple[int, int, str]:
    """Return a key that sorts ``2`` before ``10``, numbers before other names.

    Example:
        >>> sorted(["10", "2", "north", "01"], key=institution_order)
        ['01', '2', '10', 'north']
    """
    if name.isascii() and name.isdigit():
        return 0, int(name), name
    return 1, 0, name


def read_partition(path: Path) -> Partition:
    """Read a partition CSV.

    Raises:
        DataError: The file is missing or no UTF-8 CSV; a column is missing or unknown; an id is empty; a
            case stands twice; ``TrainOrVal`` is none of train, val, test or empty; an institution has
            fewer than two cases beside its test cases. The message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such partition CSV; `challenge partition make` writes one") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text; save the partition as CSV (UTF-8)") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(reader, [])
        _check_header(path, header)
        rows: list[Row] = []
        for fields in reader:
            if fields:
                rows.append(_row(path, reader.line_num, header, fields))
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: is not CSV ({error})") from error
    partition = Partition(tuple(rows), str(path))
    check_rows(partition)
    return partition


def partition_csv(partition: Partition) -> bytes:
    """Return a partition as CSV, with ``TrainOrVal`` if any row has it."""
    marked = any(row.part for row in partition.rows)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS if marked else _COLUMNS[:2])
    for row in partition.rows:
        writer.writerow((row.institution, row.case, row.part) if marked else (row.institution, row.case))
    return text.getvalue().encode("utf-8")


def write_partition(partition: Partition, path: Path) -> None:
    """Write a partition as CSV, atomically.

    Raises:
        DataError: The file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as stream:
            stream.write(partition_csv(partition))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written ({error.strerror}); choose another file") from error


def check_rows(partition: Partition) -> None:
    """Check that each case stands once and each institution can train and validate.

    Raises:
        DataError: Naming the lines and how to mend them.
    """
    if not partition.rows:
        raise DataError(f"{partition.source}: names no case; add rows of Partition_ID,Subject_ID")
    seen: dict[str, Row] = {}
    for row in partition.rows:
        if row.case in seen:
            other = partition.where(seen[row.case])
            raise DataError(
                f"{partition.where(row)}: case {row.case!r} stands there already ({other}); keep one"
            )
        seen[row.case] = row
    for name, rows in partition.institutions.items():
        used = [row for row in rows if row.part != "test"]
        if len(used) < 2:
            raise DataError(
                f"{partition.where(rows[0])}: institution {name!r} has {len(used)} of the two cases that it "
                "needs to train and validate; give it another case or merge it with another institution"
            )


def check_known(partition: Partition, available: Collection[str]) -> None:
    """Check that every case of the partition is among those available.

    Raises:
        DataError: Naming the first unknown case, its line and the nearest known one.
    """
    known = set(available)
    unknown = [row for row in partition.rows if row.case not in known]
    if unknown:
        row = unknown[0]
        near = get_close_matches(row.case, sorted(known), n=1, cutoff=0.6)
        hint = f"the nearest is {near[0]!r}" if near else f"the data has {len(known)} others"
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        raise DataError(
            f"{partition.where(row)}: case {row.case!r}{more} is not a complete case of the data; {hint}. "
            "`challenge data check` tells why a case is missing"
        )


def numbered(
    groups: Iterable[Collection[str]], source: str, parts: Mapping[str, Part] | None = None
) -> Partition:
    """Return a partition whose institutions are the groups, numbered "1", "2", ... as text.

    Args:
        groups: Case ids of each institution.
        source: Names the scheme in errors.
        parts: ``TrainOrVal`` of cases that have it already.
    """
    marks = parts or {}
    rows = [
        Row(str(number), case, marks.get(case, ""))
        for number, group in enumerate(groups, start=1)
        for case in sorted(group)
    ]
    return Partition(tuple(rows), source)


def _check_header(path: Path, header: list[str]) -> None:
    missing = [name for name in _COLUMNS[:2] if name not in header]
    unknown = [name for name in header if name not in _COLUMNS]
    if missing or unknown or len(set(header)) != len(header):
        raise DataError(
            f"{path}, line 1: the columns are {','.join(header) or 'none'}; "
            f"they must be Partition_ID,Subject_ID and may have TrainOrVal"
        )


def _row(path: Path, line: int, header: list[str], fields: list[str]) -> Row:
    if len(fields) != len(header):
        raise DataError(f"{path}, line {line}: has {len(fields)} fields, the header has {len(header)}")
    values = dict(zip(header, fields, strict=True))
    for name in _COLUMNS[:2]:
        if not values[name].strip():
            raise DataError(f"{path}, line {line}: {name} is empty")
    part = values.get("TrainOrVal", "")
    if part not in PARTS:
        raise DataError(f"{path}, line {line}: TrainOrVal is {part!r}; it must be train, val, test or empty")
    return Row(values["Partition_ID"], values["Subject_ID"], part, line)
