"""An assigner made of a function, for programs that decide each round anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fl_core.errors import InputError


class FunctionalAssigner:
    """Asks a function for the tasks; those it does not name have none.

    Args:
        function: ``(round, collaborators) -> tasks by collaborator``.

    Example:
        >>> only_a = FunctionalAssigner(lambda round, names: {"a": ("train",)})
        >>> only_a.assign(0, ["a", "b"])
        {'a': ('train',), 'b': ()}
    """

    def __init__(self, function: Callable[[int, Sequence[str]], Mapping[str, Sequence[str]]]) -> None:
        self._function = function

    def assign(self, round: int, collaborators: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the function's answer, completed.

        Raises:
            InputError: The function names a collaborator that does not exist.
        """
        named = self._function(round, collaborators)
        unknown = sorted(set(named) - set(collaborators))
        if unknown:
            raise InputError(f"round {round}: tasks for {unknown[0]!r}, which is no collaborator")
        return {name: tuple(named.get(name, ())) for name in collaborators}
