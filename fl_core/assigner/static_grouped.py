"""Fixed groups of collaborators, each with its tasks in every round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fl_core.errors import InputError


@dataclass(frozen=True)
class StaticGroup:
    """A named group: who is in it and what they do."""

    name: str
    collaborators: tuple[str, ...]
    tasks: tuple[str, ...]


class StaticGroupedAssigner:
    """Gives each collaborator the tasks of its group; those in no group have none.

    Raises:
        InputError: A collaborator stands in two groups.
    """

    def __init__(self, groups: Sequence[StaticGroup]) -> None:
        self._tasks: dict[str, tuple[str, ...]] = {}
        for group in groups:
            for name in group.collaborators:
                if name in self._tasks:
                    raise InputError(f"collaborator {name!r} stands in two groups; keep it in one")
                self._tasks[name] = group.tasks

    def assign(self, round: int, collaborators: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the tasks of each collaborator's group."""
        return {name: self._tasks.get(name, ()) for name in collaborators}
