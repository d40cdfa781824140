"""What a run's folder holds, by digest: the files that its record vouches for."""

from __future__ import annotations

import hashlib
from pathlib import Path

from challenge.records.errors import RecordError

RECORD_NAME = "record.json"
_UNRECORDED_FOLDER = "checkpoint"


def digest_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file under `folder` but ``checkpoint/`` and ``record.json``.

    Args:
        folder: A run's folder.

    Returns:
        Hexadecimal digests by path, relative to `folder` with ``/`` between its parts, sorted.

    Raises:
        RecordError: `folder` is no folder or cannot be read, or it holds a symbolic link (its target
            could change behind the record), a device, or a name that is not UTF-8.
    """
    if not folder.is_dir():
        raise RecordError(f"{folder} is not a run's folder; give the folder that holds {RECORD_NAME}")
    digests: dict[str, str] = {}
    try:
        _collect(folder, folder, digests)
    except OSError as error:
        raise RecordError(f"{error.filename or folder} cannot be read: {error.strerror}") from error
    return dict(sorted(digests.items()))


def _collect(folder: Path, root: Path, digests: dict[str, str]) -> None:
    for path in sorted(folder.iterdir()):
        name = path.relative_to(root).as_posix()
        _refuse_odd_name(name, root)
        if path.is_symlink():
            raise RecordError(
                f"{path} is a symbolic link, and a record vouches for files only; copy the file here"
            )
        if path.is_dir():
            if name != _UNRECORDED_FOLDER:
                _collect(path, root, digests)
        elif not path.is_file():
            raise RecordError(f"{path} is neither a file nor a folder; move it out of the run's folder")
        elif name != RECORD_NAME:
            with path.open("rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_odd_name(name: str, root: Path) -> None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RecordError(f"{root} holds a file whose name is not UTF-8: {name!r}; rename it") from error
