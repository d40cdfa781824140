"""The environment of a participant's process: what a program needs to run, and nothing of the user's."""

from __future__ import annotations

import os
import site
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fl_core.executor.environment import FIXED_HASHES, KEEP_MEMORY, ONE_THREAD

_PASSED: Final = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")


def strategy_environment(base: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """Return the whole environment of a process that runs in `scratch`.

    Tokens, keys and tracking addresses of the user's environment stay out. Packages of the user's
    own site folder stay importable although the home folder is another.
    """
    environment = {name: base[name] for name in _PASSED if name in base}
    # Only absolute folders: a relative one would be looked for in the scratch folder.
    libraries = [entry for entry in base.get("PYTHONPATH", "").split(os.pathsep) if Path(entry).is_absolute()]
    if libraries:
        environment["PYTHONPATH"] = os.pathsep.join(libraries)
    if site.ENABLE_USER_SITE:
        environment["PYTHONUSERBASE"] = site.getuserbase()
    else:
        environment["PYTHONNOUSERSITE"] = "1"
    return environment | {
        **ONE_THREAD,
        **KEEP_MEMORY,
        **FIXED_HASHES,
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",  # what was printed is in the log, however the process ends
    }
