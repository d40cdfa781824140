"""The checksum of bytes on their way: XXH3, 128 bits, as text ``xxh3:<hex>``.

It finds damage, at about the speed of memory. It proves nothing about who made the bytes: against
an adversary use `fl_core.tensors.digest`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import xxhash

if TYPE_CHECKING:
    from typing_extensions import Buffer

PREFIX: Final = "xxh3:"
_READ: Final = 1 << 20


class Checksum:
    """A checksum that grows with the bytes, however they are cut.

    Example:
        >>> whole, parts = Checksum(b"abc"), Checksum()
        >>> for part in (b"a", b"", b"bc"):
        ...     parts.update(part)
        >>> whole.text == parts.text, whole.text
        (True, 'xxh3:06b05ab6733a618578af5f94892f3950')
    """

    def __init__(self, content: Buffer = b"") -> None:
        self._hash = xxhash.xxh3_128(memoryview(content).cast("B"))

    def update(self, content: Buffer) -> None:
        """Go on with further bytes (C-contiguous)."""
        self._hash.update(memoryview(content).cast("B"))

    @property
    def text(self) -> str:
        """The checksum of all bytes so far."""
        return f"{PREFIX}{self._hash.hexdigest()}"


def file_checksum(path: Path) -> str:
    """Return the checksum of a file's content.

    Raises:
        OSError: The file cannot be read.
    """
    found = Checksum()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_READ):
            found.update(block)
    return found.text
