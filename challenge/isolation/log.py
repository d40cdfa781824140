"""The strategy's log: all that a participant's process prints, up to a size."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import IO, Final

_LOG: Final = logging.getLogger(__name__)
_CUT: Final = "\n[strategy.log: {limit} bytes are reached; the rest of the output is cut]\n"


class OutputLog:
    """Reads a process's output to its end, in a thread, so that the process never waits for us.

    Args:
        output: The reading end of its standard output and error.
        path: The file; what it already holds stays and counts.
        limit: Largest number of bytes of output in the file.
    """

    def __init__(self, output: IO[bytes], path: Path, limit: int) -> None:
        self._output = output
        self._path = path
        self._limit = limit
        self._thread = threading.Thread(target=self._drain, name="strategy-log", daemon=True)
        self._thread.start()

    def finish(self, timeout: float) -> None:
        """Wait until all output of an ended process is in the file; safe to call twice.

        Args:
            timeout: Seconds. A process outside the group that kept the pipe open cannot hold us up.
        """
        self._thread.join(timeout)

    def _drain(self) -> None:
        try:
            self._copy()
        except OSError as error:
            _LOG.warning("%s cannot be written (%s); the output that follows is lost", self._path, error)
            while self._read():
                pass
        self._output.close()

    def _copy(self) -> None:
        with self._path.open("ab", buffering=0) as file:
            left = self._limit - file.tell()
            cut = left <= 0
            while part := self._read():
                if cut:
                    continue
                file.write(part[:left])
                left -= len(part)
                if left < 0:
                    file.write(_CUT.format(limit=self._limit).encode())
                    cut = True

    def _read(self) -> bytes:
        # read1: what is there now. BufferedReader.read would wait until its buffer is full.
        part: bytes = self._output.read1(1 << 16)  # type: ignore[attr-defined]
        return part
