"""Outages recorded or planned elsewhere: a CSV table ``site,start_s,end_s``."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from tasks.task1_aggregation.errors import SettingsError
from tasks.task1_aggregation.outages.process import Window

COLUMNS = ("site", "start_s", "end_s")


def read_trace(path: Path, sites: Collection[str] | None = None) -> dict[str, tuple[Window, ...]]:
    """Return the outages of a trace file by site; see `parse_trace`.

    Raises:
        SettingsError: The file cannot be read or a line of it is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the outage trace {path}: {error}") from error
    return parse_trace(text, str(path), sites)


def parse_trace(
    text: str, source: str, sites: Collection[str] | None = None
) -> dict[str, tuple[Window, ...]]:
    r"""Return the outages of a trace by site, in the order of their lines.

    Times are seconds since the run began. An empty ``end_s`` is a site that never comes back. The lines
    of a site may come in any order and overlap: it is offline in their union.

    Args:
        text: The table, with its header.
        source: Where it is from, for the messages.
        sites: The names that may occur; None allows any.

    Raises:
        SettingsError: A line is wrong; the message has its number.

    Example:
        >>> parse_trace("site,start_s,end_s\n3,60,90.5\n", "example")
        {'3': (Window(start_s=60.0, end_s=90.5),)}
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    windows: dict[str, list[Window]] = {}
    try:
        header = next(reader, [])
        if tuple(header) != COLUMNS:
            raise SettingsError(
                f"{source}, line 1: the header is {','.join(header)!r}, not {','.join(COLUMNS)!r}"
            )
        for row in reader:
            if row:
                site, window = _entry(row, f"{source}, line {reader.line_num}", sites)
                windows.setdefault(site, []).append(window)
    except csv.Error as error:
        raise SettingsError(f"{source}, line {reader.line_num}: not a CSV table: {error}") from error
    return {site: tuple(found) for site, found in windows.items()}


def trace_text(windows: Mapping[str, Sequence[Window]]) -> str:
    r"""Return the trace of these outages; `parse_trace` returns exactly them.

    Example:
        >>> trace_text({"3": [Window(60.0, 90.5)]})
        'site,start_s,end_s\n3,60.0,90.5\n'
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for site, found in windows.items():
        for window in found:
            end = "" if math.isinf(window.end_s) else repr(float(window.end_s))
            writer.writerow([site, repr(float(window.start_s)), end])
    return table.getvalue()


def _entry(row: Sequence[str], where: str, sites: Collection[str] | None) -> tuple[str, Window]:
    if len(row) != len(COLUMNS):
        raise SettingsError(f"{where}: {len(row)} fields instead of {','.join(COLUMNS)}")
    site, start, end = row[0].strip(), row[1].strip(), row[2].strip()
    if not site:
        raise SettingsError(f"{where}: the site has no name")
    if sites is not None and site not in sites:
        raise SettingsError(f"{where}: there is no site {site!r}; the sites are {', '.join(sites)}")
    try:
        return site, Window(_seconds(start), _seconds(end) if end else math.inf)
    except (ValueError, SettingsError) as error:
        raise SettingsError(f"{where}: {error}") from error


def _seconds(text: str) -> float:
    seconds = float(text)
    if not math.isfinite(seconds):
        raise ValueError(f"{text!r} is not a number of seconds; leave end_s empty for a site that stays away")
    return seconds
