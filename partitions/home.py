"""Where what can be made again is kept between runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def cache_home(environment: Mapping[str, str]) -> Path:
    """Return the folder for what can be made again; ``CHALLENGE_HOME`` moves it.

    Example:
        >>> cache_home({"CHALLENGE_HOME": "/srv/challenge"}).as_posix()
        '/srv/challenge/cache'
    """
    moved = environment.get("CHALLENGE_HOME")
    if moved:
        return Path(moved).expanduser() / "cache"
    import platformdirs

    return platformdirs.user_cache_path("fedbrats")
