"""CSV files from outside, read as text: nothing is guessed, and every row has all its fields."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from leaderboard.errors import TableError

if TYPE_CHECKING:
    import pandas as pd


def read_text_table(path: Path, most_bytes: int) -> pd.DataFrame:
    """Return a CSV file with a header as a table of text, its index the line that each row ends on.

    Raises:
        TableError: The file is missing, larger than `most_bytes` or no UTF-8 CSV, names a column twice, or
            a row has another number of fields than the header. The message names the file and the row.
    """
    import pandas as pd

    try:
        if path.stat().st_size > most_bytes:
            raise TableError(f"{path}: is larger than {most_bytes >> 20} MiB; split it")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: is not UTF-8 text; save it as CSV (UTF-8)") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = next(reader, [])
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                raise TableError(
                    f"{path}, row {reader.line_num}: has {len(fields)} fields, the header has {len(header)}; "
                    "export the file again"
                )
            rows.append(fields)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise TableError(f"{path}, row {reader.line_num}: is not CSV ({error}); export it again") from error
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise TableError(f"{path}, row 1: names the column {', '.join(twice)} twice; keep one")
    return pd.DataFrame(rows, columns=header, index=lines, dtype=str)
