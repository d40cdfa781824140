"""Who does which tasks in a round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Assigner(Protocol):
    """Gives every collaborator its tasks of a round; the same arguments give the same answer."""

    def assign(self, round: int, collaborators: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return task names by collaborator, every collaborator included (an empty tuple: none)."""
        ...
