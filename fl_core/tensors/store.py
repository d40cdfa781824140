"""The tensors of a federation's last rounds, by (name, round, owner, kind)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from fl_core.errors import TensorError
from fl_core.tensors import Array, Tensors


class Kind(StrEnum):
    """What a tensor is to the federation."""

    MODEL = "model"
    """The global model that a round starts with; owned by the aggregator."""
    TRAINED = "trained"
    """A site's model after its training."""
    METRIC = "metric"
    """A measured value; kept for ever."""
    EXTRA = "extra"
    """What a strategy broadcasts or collects beside the model."""


@dataclass(frozen=True, order=True, slots=True)
class TensorKey:
    """Which tensor.

    Attributes:
        round: The round, from 0.
        owner: Who made it: a site, or the aggregator.
        kind: What it is.
        name: Its name in the model, or the metric's.
    """

    name: str
    round: int
    owner: str
    kind: Kind


class TensorStore:
    """Named arrays of the newest rounds. Reading copies nothing: it gives read-only views.

    Args:
        db_store_rounds: How many rounds are kept, the newest included; -1 keeps all. Metrics are
            kept whatever their round.

    Raises:
        TensorError: `db_store_rounds` is neither -1 nor positive.

    Example:
        >>> store = TensorStore(db_store_rounds=1)
        >>> for round in range(3):
        ...     store.put(TensorKey("w", round, "aggregator", Kind.MODEL), np.full(2, round))
        >>> store.rounds(), store.get(TensorKey("w", 2, "aggregator", Kind.MODEL))
        ((2,), array([2, 2]))
    """

    def __init__(self, db_store_rounds: int = -1) -> None:
        if db_store_rounds < -1 or db_store_rounds == 0:
            raise TensorError(f"db_store_rounds is {db_store_rounds}; give the rounds to keep, or -1 for all")
        self._kept = db_store_rounds
        self._newest = -1
        # A round is dropped, and a site's model found, without looking at any other tensor.
        self._rounds: dict[int, dict[tuple[str, Kind], dict[str, Array]]] = {}

    def put(self, key: TensorKey, array: Array) -> None:
        """Keep an array, replacing what the key held, and drop the rounds that are now too old.

        A writeable array is copied, so that its owner may go on with it; a read-only one is kept as
        it is. An array of a round that is too old already is not kept.

        Raises:
            TensorError: The round is negative, or the value is no array.
        """
        if not isinstance(array, np.ndarray):
            raise TensorError(f"tensor {key.name!r} is a {type(array).__name__}; make it a numpy array")
        if key.round < 0:
            raise TensorError(f"tensor {key.name!r} has round {key.round}; rounds count from 0")
        if key.round > self._newest:
            self._newest = key.round
            self._drop_old()
        if key.kind is Kind.METRIC or not self._too_old(key.round):
            group = self._rounds.setdefault(key.round, {}).setdefault((key.owner, key.kind), {})
            group[key.name] = _own(array)

    def put_all(self, tensors: Tensors, *, round: int, owner: str, kind: Kind) -> None:
        """Keep every tensor of a model or update; see `put`."""
        for name, array in tensors.items():
            self.put(TensorKey(name, round, owner, kind), array)

    def get(self, key: TensorKey) -> Array | None:
        """Return a read-only view of one tensor, or None if it is not (any longer) there."""
        array = self._rounds.get(key.round, {}).get((key.owner, key.kind), {}).get(key.name)
        return None if array is None else array.view()

    def tensors(self, *, round: int, owner: str, kind: Kind) -> dict[str, Array]:
        """Return all tensors of one owner and kind in a round, by name; empty if there are none."""
        group = self._rounds.get(round, {}).get((owner, kind), {})
        return {name: group[name].view() for name in sorted(group)}

    def query(
        self,
        *,
        name: str | None = None,
        round: int | None = None,
        owner: str | None = None,
        kind: Kind | None = None,
    ) -> Iterator[tuple[TensorKey, Array]]:
        """Yield what fits every condition given, by round, owner, kind and name; nothing if none does.

        The store may change between two steps; what is yielded is what was there at the first.
        """
        rounds = sorted(self._rounds) if round is None else [r for r in (round,) if r in self._rounds]
        found = [
            (TensorKey(tensor, r, *group), arrays[tensor])
            for r in rounds
            for group, arrays in sorted(self._rounds[r].items())
            if owner in (None, group[0]) and kind in (None, group[1])
            for tensor in (sorted(arrays) if name is None else [n for n in (name,) if n in arrays])
        ]
        return ((key, array.view()) for key, array in found)

    def rounds(self) -> tuple[int, ...]:
        """Return the rounds of which anything is kept, ascending."""
        return tuple(sorted(self._rounds))

    def __len__(self) -> int:
        """Return the number of tensors kept."""
        return sum(len(arrays) for groups in self._rounds.values() for arrays in groups.values())

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays kept."""
        return sum(array.nbytes for _, array in self.query())

    def _too_old(self, round: int) -> bool:
        return self._kept != -1 and round <= self._newest - self._kept

    def _drop_old(self) -> None:
        for round in [r for r in self._rounds if self._too_old(r)]:
            metrics = {group: kept for group, kept in self._rounds[round].items() if group[1] is Kind.METRIC}
            if metrics:
                self._rounds[round] = metrics
            else:
                del self._rounds[round]


def _own(array: Array) -> Array:
    """Return an array that nobody can change: itself if it is read-only already, else a copy."""
    if not array.flags.writeable:
        return array
    copy = array.copy()
    copy.flags.writeable = False
    return copy
