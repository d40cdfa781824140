"""The authorised list of a running aggregator: read again when its file changes."""

from __future__ import annotations

import logging
from pathlib import Path

from fl_core.errors import InputError
from fl_core.pki.authorised import read_authorised

log = logging.getLogger(__name__)

_State = tuple[int, int, int]


class AuthorisedFile:
    """Returns who may take part now, with each one's cap on samples; safe for use by several threads.

    While the file cannot be read, the names that were read last hold, and the log says so.

    Args:
        path: ``plan/cols.yaml``.

    Raises:
        InputError: The file cannot be read at the beginning.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # One attribute, replaced as a whole: no reader sees the state of one file with another's names.
        self._known: tuple[_State | None, dict[str, int | None]] = (self._state(), read_authorised(path))

    def __call__(self) -> dict[str, int | None]:
        """Return the caps by name; None where none is registered."""
        before, names = self._known
        state = self._state()
        if state != before:
            try:
                names = read_authorised(self._path)
                log.info("%s: %d collaborators: %s", self._path, len(names), ", ".join(names))
            except InputError as error:
                log.error("%s; the %d names read before still hold", error, len(names))
            self._known = (state, names)
        return names

    def _state(self) -> _State | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
