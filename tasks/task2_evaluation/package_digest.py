"""A package's digest: over paths, modes and bytes; whatever refers to a package refers to it by this."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

SCHEMA = b"model-package/1"
PLAIN, EXECUTABLE = b"100644", b"100755"


@dataclass(frozen=True)
class PackageFile:
    """A file of a package.

    Attributes:
        name: Its path in the package, with ``/``.
        size: Bytes.
        executable: Whether its owner may execute it; of a mode nothing else counts, since the rest is the
            affair of the machine it was written on.
        sha256: Of its bytes, hexadecimal.
    """

    name: str
    size: int
    executable: bool
    sha256: str


def digest_of(files: Iterable[PackageFile]) -> str:
    """Return ``sha256:...`` over all files, in the order of their names' bytes.

    Every part is preceded by its length, so that no two packages run together into the same bytes.

    Example:
        >>> one = PackageFile("a", 1, False, "00" * 32)
        >>> digest_of([one]) == digest_of([PackageFile("a", 1, True, "00" * 32)])
        False
    """
    state = hashlib.sha256(SCHEMA)
    for file in sorted(files, key=lambda file: file.name.encode("utf-8")):
        mode = EXECUTABLE if file.executable else PLAIN
        for part in (file.name.encode("utf-8"), mode, bytes.fromhex(file.sha256)):
            state.update(len(part).to_bytes(8, "little") + part)
    return f"sha256:{state.hexdigest()}"
