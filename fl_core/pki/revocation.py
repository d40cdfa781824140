"""Which certificates are no longer valid, by serial number: one JSON file, read again when it changes.

Its form: ``{"schema": "revoked/1", "serials": ["0abc", ...]}``, serials in hexadecimal.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from fl_core.durable import Disk
from fl_core.pki.errors import CertificateError, Reason
from fl_core.pki.serial import parse_serial, serial_text

SCHEMA = "revoked/1"
_LARGEST = 16 << 20
_log = logging.getLogger(__name__)

_State = tuple[int, int, int, int]


class RevocationList:
    """The revoked serials of a file; safe for use by several threads.

    While the file cannot be read, the serials that were read last hold, and the log says so. A missing
    file revokes nothing.

    Args:
        path: The file.

    Raises:
        CertificateError: The file is there at the beginning and cannot be read.

    Example:
        >>> RevocationList(Path("nowhere.json")).is_revoked(7)
        False
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        state = self._state()
        # One attribute, replaced as a whole: no reader sees the state of one file with another's serials.
        self._known: tuple[_State | None, frozenset[int]] = (state, read_revoked(path))

    def is_revoked(self, serial: int) -> bool:
        """Return whether a certificate's serial number is revoked now."""
        before, serials = self._known
        state = self._state()
        if state != before:
            try:
                serials = read_revoked(self._path)
            except CertificateError as error:
                _log.error("%s; the %d serials read before still hold", error, len(serials))
            self._known = (state, serials)
        return serial in serials

    def _state(self) -> _State | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def read_revoked(path: Path) -> frozenset[int]:
    """Return the serials of a file; none if there is no file.

    Raises:
        CertificateError: It is there and is not such a file.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise CertificateError(Reason.UNREADABLE, f"{path}: cannot be read ({error.strerror})") from error
    try:
        content = json.loads(raw)
        if not isinstance(content, dict) or content.get("schema") != SCHEMA or len(raw) > _LARGEST:
            raise ValueError
        return frozenset(parse_serial(text) for text in content["serials"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CertificateError(
            Reason.UNREADABLE,
            f'{path}: is not of the form {{"schema": "{SCHEMA}", "serials": ["hexadecimal", ...]}}',
        ) from error


def add_revoked(path: Path, serials: Iterable[int], disk: Disk) -> None:
    """Add serials to a file; what stands in it stays.

    Raises:
        CertificateError: The file is there and is not such a file.
    """
    together = sorted(read_revoked(path) | frozenset(serials))
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"schema": SCHEMA, "serials": [serial_text(serial) for serial in together]}
    disk.write(path, (json.dumps(content, indent=1) + "\n").encode())
