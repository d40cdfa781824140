"""File digests remembered between runs, so that an unchanged file is hashed once."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partitions.errors import DataError

SCHEMA = "digests/1"

# A file written twice within the file system's clock tick can keep its stamp; one that was touched so
# recently is hashed again next time.
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True)
class FileStamp:
    """What changes when a file changes: size, times of content and of inode (ns), and the inode."""

    path: Path
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def stamp(path: Path) -> FileStamp:
    """Return a file's stamp.

    Raises:
        DataError: The file is not there or not accessible.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); check that it exists and is yours"
        ) from error
    return FileStamp(path.absolute(), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


class DigestIndex:
    """SHA-256 by file stamp, kept in a small JSON file that is only a memory: losing it costs time.

    Args:
        path: The JSON file.
        now: The wall clock in seconds.
    """

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self._known = _load(path)
        self._fresh: dict[str, list[Any]] = {}
        self._lock = threading.Lock()

    def digest(self, file: FileStamp) -> str:
        """Return the file's SHA-256 in hex, from memory where its stamp is known.

        Raises:
            DataError: The file cannot be read.
        """
        name = str(file.path)
        mark = [file.size, file.mtime_ns, file.ctime_ns, file.inode]
        known = self._known.get(name)
        if known is not None and known[:4] == mark:
            return str(known[4])
        try:
            with file.path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{file.path}: cannot be read ({error.strerror}); check its rights") from error
        age_ns = int(self._now() * 1e9) - max(file.mtime_ns, file.ctime_ns)
        if age_ns > _SETTLED_NS and stamp(file.path) == file:
            with self._lock:
                self._fresh[name] = [*mark, found]
        return found

    def save(self) -> None:
        """Add what was learnt to the file, atomically; of two processes the last wins, which is harmless.

        Raises:
            OSError: The disk refused.
        """
        with self._lock:
            fresh, self._fresh = self._fresh, {}
        if not fresh:
            return
        self._known = {**_load(self._path), **fresh}
        temporary = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex}")
        try:
            with temporary.open("w", encoding="utf-8") as stream:
                json.dump({"schema": SCHEMA, "digests": self._known}, stream)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self._path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def _load(path: Path) -> dict[str, list[Any]]:
    """Read the index; one that is absent, damaged or of another version counts as empty."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        return {}
    digests = content.get("digests")
    if not isinstance(digests, dict):
        return {}
    return {
        name: mark
        for name, mark in digests.items()
        if isinstance(mark, list) and len(mark) == 5 and isinstance(mark[4], str)
    }
