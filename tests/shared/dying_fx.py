"""``fx`` in a process that kills itself at a chosen step of its files, as ``kill -9`` would.

``python dying_fx.py STEP KIND before|tear LIST WORDS...``: a step is whatever the process does to a file
below its folder's ``state``, ``save`` and ``logs``: opening one to write, renaming, linking, removing, and
each write and sync of a durable write. Only steps of this kind count, see `kind_of`; where KIND is empty,
all do. At step STEP, from 0, the process is gone, with ``tear`` after half of a write. All counted steps are
listed in LIST.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Final

KINDS: Final = {"os.rename": 1, "os.link": 1, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0, "open": 0}
WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_APPEND


def kind_of(step: str) -> str:
    """Return a step without the numbers and digests in its names.

    Example:
        >>> kind_of("os.rename state/model-12.safetensors")
        'os.rename state/model-N.safetensors'
    """
    return re.sub(r"[0-9a-f]{8,}|\d+", "N", step)


class Steps:
    """Counts, and ends the process at one."""

    def __init__(self, at: int, kind: str, listed: Path) -> None:
        self._at = at
        self._kind = kind
        self._count = 0
        self._lock = threading.RLock()
        self._folders = tuple(f"{Path.cwd() / name}/" for name in ("state", "save", "logs"))
        self._list = os.open(listed, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def reach(self, step: str) -> bool:
        """Note a step; return whether it is that at which to die."""
        if self._kind not in ("", kind_of(step)):
            return False
        with self._lock:
            os.write(self._list, f"{step}\n".encode())
            self._count += 1
            return self._count - 1 == self._at

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()  # no other line runs

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """See what the interpreter is about to do to a file."""
        if event not in KINDS or (event == "open" and not (arguments[2] or 0) & WRITES):
            return
        name = arguments[KINDS[event]]
        if not isinstance(name, str | bytes | os.PathLike):
            return
        path = str(Path.cwd() / os.fsdecode(name))
        for folder in self._folders:
            if path.startswith(folder):
                if self.reach(f"{event} {Path(folder).name}/{path.removeprefix(folder)}"):
                    self.die()
                return


def main(at: int, kind: str, how: str, listed: Path, words: list[str]) -> None:
    """Run ``fx`` with these words."""
    from fl_core import durable

    steps = Steps(at, kind, listed)

    class DyingDisk(durable.Disk):
        def _put(self, handle: int, content: bytes | memoryview) -> None:
            if steps.reach(f"write {_name(handle)}"):
                if how == "tear":
                    super()._put(handle, memoryview(content)[: len(content) // 2])
                steps.die()
            super()._put(handle, content)

        def _sync(self, handle: int) -> None:
            if steps.reach(f"sync {_name(handle)}"):
                steps.die()
            super()._sync(handle)

    durable.Disk = DyingDisk  # type: ignore[misc]
    sys.addaudithook(steps.audit)
    from fl_core.cli.main import run

    sys.argv = ["fx", *words]
    run()


def _name(handle: int) -> str:
    path = Path(f"/proc/self/fd/{handle}").readlink()
    return f"{path.parent.name}/{path.name}"


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]), sys.argv[5:])
