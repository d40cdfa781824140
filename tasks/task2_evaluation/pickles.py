"""Tells pickled files by name and by their first bytes; they run code when they are read."""

from __future__ import annotations

import zipfile
from pathlib import Path

SUFFIXES = frozenset(
    {".pt", ".pth", ".pt2", ".ptl", ".pkl", ".pickle", ".p", ".joblib", ".ckpt", ".bin", ".dill", ".mar"}
)
"""Endings of files that hold pickles, or may."""

_PROTOCOLS = tuple(bytes((0x80, version)) for version in range(1, 6))


def looks_pickled(path: Path) -> bool:
    """Say whether a file is named as, begins like, or holds a pickle.

    Raises:
        OSError: It cannot be read.

    Example:
        >>> looks_pickled(Path("weights.pth"))
        True
    """
    if path.suffix.lower() in SUFFIXES:
        return True
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(_PROTOCOLS):
        return True
    if not head.startswith(b"PK"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(Path(name).suffix.lower() in SUFFIXES for name in archive.namelist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return True  # begins like torch's archives and is not even a zip file: nothing to be trusted
