"""The digest of a submission: what everything later refers to."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fl_core.errors import InputError

MAX_FILES = 1000
MAX_BYTES = 64 * 2**20


class SubmissionError(InputError):
    """A submission that cannot be taken: says which file and why."""


def submission_digest(path: Path) -> str:
    """Return ``sha256:...`` over the names and bytes of a submission's files.

    A file is itself; a folder is every regular file in it, but caches of Python's and hidden files.

    Raises:
        SubmissionError: There is no such path, a link is in it, or it is too large.
    """
    if not path.exists():
        raise SubmissionError(f"{path}: no such submission")
    files = [path] if path.is_file() else _files(path)
    root = path.parent if path.is_file() else path
    state = hashlib.sha256()
    total = 0
    for file in files:
        name = file.relative_to(root).as_posix().encode()
        content = file.read_bytes()
        total += len(content)
        if total > MAX_BYTES:
            raise SubmissionError(f"{path}: more than {MAX_BYTES // 2**20} MiB; a submission is code only")
        for part in (name, content):
            state.update(len(part).to_bytes(8, "little") + part)
    return f"sha256:{state.hexdigest()}"


def _files(folder: Path) -> list[Path]:
    found = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if "__pycache__" in parts or any(part.startswith(".") for part in parts):
            continue
        if path.is_symlink():
            raise SubmissionError(f"{path}: a link; put the file itself there")
        if path.is_file():
            found.append(path)
    if len(found) > MAX_FILES:
        raise SubmissionError(f"{folder}: {len(found)} files, at most {MAX_FILES}; is it the right folder?")
    return found
