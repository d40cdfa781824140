"""The tables of a federation's metrics: ``rounds.csv`` and ``sites.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from fl_core.durable import Disk
from fl_core.federation.round_row import RoundRow, SiteRow

ROUND_COLUMNS: Final = ("round", "status", "score", "best_score", "selected", "received", "dropped")
SITE_COLUMNS: Final = ("round", "site", "status", "reason", "tasks", "samples", "wall_s")


class MetricsTable:
    r"""A CSV file that grows with the rounds; a metric that is new gets a column at the end.

    Args:
        path: The file. Rows of rounds from `round` on are removed: they were not committed.
        columns: Those that every row has; the first is the round.
        round: The round to go on with.
        disk: How it is written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = MetricsTable(Path(folder) / "a.csv", ("round", "status"), 0, Disk())
        ...     table.add([{"round": 0, "status": "ok", "dice": 0.5}])
        ...     (Path(folder) / "a.csv").read_text()
        'round,status,dice\n0,ok,0.5\n'
    """

    def __init__(self, path: Path, columns: Sequence[str], round: int, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        path.parent.mkdir(parents=True, exist_ok=True)
        before, rows = _read(path)
        self._columns = [*columns, *(name for name in before if name not in columns)]
        kept = [row for row in rows if _is_before(row, columns[0], round)]
        self._write(kept)

    def add(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Add rows durably."""
        rows = [{name: _cell(value) for name, value in row.items()} for row in rows]
        new = sorted({name for row in rows for name in row} - set(self._columns))
        if new:
            self._columns += new
            self._write([*_read(self._path)[1], *rows])
        else:
            self._disk.append(self._path, self._text(rows))

    def _write(self, rows: Sequence[Mapping[str, object]]) -> None:
        head = io.StringIO()
        csv.writer(head, lineterminator="\n").writerow(self._columns)
        self._disk.write(self._path, head.getvalue().encode() + self._text(rows))

    def _text(self, rows: Sequence[Mapping[str, object]]) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, restval="", lineterminator="\n")
        writer.writerows(rows)
        return text.getvalue().encode()


def round_cells(row: RoundRow) -> dict[str, object]:
    """Return a round as a row of ``rounds.csv``."""
    fixed = {name: getattr(row, name) for name in ROUND_COLUMNS}
    return {**fixed, **row.metrics}


def site_cells(row: SiteRow) -> dict[str, object]:
    """Return a site as a row of ``sites.csv``."""
    samples = " ".join(f"{task}:{count}" for task, count in (row.samples or {}).items())
    return {
        "round": row.round,
        "site": row.site,
        "status": row.status,
        "reason": row.reason,
        "tasks": " ".join(row.tasks),
        "samples": samples,
        "wall_s": None if row.wall_s is None else round(row.wall_s, 3),
        **(row.metrics or {}),
    }


def _cell(value: object) -> object:
    """Return text for a cell; a spreadsheet must not take what a site wrote for a formula."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return f"'{value}"
    return "" if value is None else value


def _is_before(row: Mapping[str, str], column: str, round: int) -> bool:
    number = row.get(column) or ""
    return number.isdigit() and int(number) < round and None not in row.values()


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    if not path.is_file():
        return [], []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = [dict(row) for row in reader]
    return list(reader.fieldnames or []), rows
