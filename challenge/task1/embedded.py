"""The embedded data set: the default phantom, made once and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

PHANTOM_SEED = 0


def embedded_phantom(root: Path, workers: int, progress: Callable[[int, int], None]) -> Path:
    """Return the folder of the default phantom, made on first use.

    The folder's name is a digest of the generator's source: another version makes another phantom. It
    is renamed into place when whole, so that two processes that make it at once both succeed.
    """
    from partitions.phantom.write import write_phantom

    folder = root / f"phantom-{_generator_digest()[:16]}-{PHANTOM_SEED}"
    if (folder / "phantom.json").is_file():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    temporary = root / f".tmp-{uuid.uuid4().hex}"
    try:
        write_phantom(temporary, seed=PHANTOM_SEED, workers=workers, progress=progress)
        try:
            temporary.rename(folder)
        except OSError:
            if not (folder / "phantom.json").is_file():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _generator_digest() -> str:
    import partitions.phantom

    state = hashlib.sha256()
    for folder in partitions.phantom.__path__:
        for source in sorted(Path(folder).glob("*.py")):
            state.update(source.name.encode() + b"\0" + source.read_bytes())
    return state.hexdigest()
