"""File names of the pages: safe on every file system, each once, whatever a submission is called."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_LONGEST = 60


def slugs(names: Iterable[str]) -> dict[str, str]:
    """Return a file name without suffix for each name; the same names give the same.

    Example:
        >>> slugs(["FedAvg", "fedavg", "../x"])
        {'FedAvg': 'fedavg-c6ec1b45', 'fedavg': 'fedavg', '../x': 'x-d6b96a97'}
    """
    return {name: _slug(name) for name in names}


def _slug(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST].strip("-")
    if plain and plain == name and plain != "index":
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain or 'submission'}-{digest}"
