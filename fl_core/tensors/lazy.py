"""Tensors that are computed when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from fl_core.tensors import Array


class LazyTensors(Mapping[str, Array]):
    """Names, and the function that gives the array of each. Nothing is kept.

    Args:
        names: The tensors' names.
        make: Gives the array of a name; the same one each time.

    Example:
        >>> received, delta = {"w": np.ones(2)}, {"w": np.full(2, 0.5)}
        >>> LazyTensors(delta, lambda name: received[name] + delta[name])["w"].tolist()
        [1.5, 1.5]
    """

    def __init__(self, names: Iterable[str], make: Callable[[str], Array]) -> None:
        self._names = dict.fromkeys(sorted(names))
        self._make = make

    def __getitem__(self, name: str) -> Array:
        """Return one tensor, read-only.

        Raises:
            KeyError: There is none of that name.
        """
        if name not in self._names:
            raise KeyError(name)
        # Arithmetic makes numpy scalars of arrays without dimensions.
        array = np.asarray(self._make(name)).view()
        array.flags.writeable = False
        return array

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, sorted."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return the number of tensors."""
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        """Whether there is a tensor of that name; computes nothing."""
        return name in self._names
