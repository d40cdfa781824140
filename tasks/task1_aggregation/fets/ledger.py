"""The rows behind ``tensor_db``: what the harness and the participant's functions have recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

PLACEHOLDER_ROUND = 1_000_000
"""The round of rows that a participant stores without one; such rows are never dropped."""

Key = tuple[str, str, int, bool, tuple[str, ...]]


@dataclass(frozen=True, eq=False, slots=True)
class Row:
    """One tensor, metric or hyper-parameter.

    Attributes:
        tensor_name: The tensor's, metric's or hyper-parameter's name.
        origin: ``aggregator`` for all that the harness records.
        round: The round it belongs to.
        report: Whether it is a metric; metrics are kept for ever.
        tags: What it is; sorted for all that the harness records.
        nparray: The value, an array (0-dimensional for metrics and hyper-parameters).
    """

    tensor_name: str
    origin: str
    round: int
    report: bool
    tags: tuple[str, ...]
    nparray: Any

    @property
    def key(self) -> Key:
        """What a row is found by; there is one row of each key."""
        return (self.tensor_name, self.origin, self.round, self.report, self.tags)


class Ledger:
    """Rows in the order of recording, indexed by key and by name.

    Example:
        >>> ledger = Ledger()
        >>> ledger.put(Row("conv.weight", "aggregator", 0, False, ("model",), 1.5))
        True
        >>> [row.nparray for row in ledger.search(tensor_name="conv.weight", round_=0)]
        [1.5]
        >>> ledger.search(tensor_name="conv.bias")
        []
    """

    def __init__(self) -> None:
        self._rows: dict[Key, Row] = {}
        self._by_name: dict[str, dict[Key, Row]] = {}
        self.version = 0
        """Grows with every change, so that views know when they are stale."""

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, row: Row, *, overwrite: bool = True) -> bool:
        """Record a row; one of the same key is replaced, or kept if not `overwrite`.

        Returns:
            Whether the row was recorded.
        """
        key = row.key
        if not overwrite and key in self._rows:
            return False
        self._rows[key] = row
        self._by_name.setdefault(row.tensor_name, {})[key] = row
        self.version += 1
        return True

    def extend(self, rows: Iterable[Row]) -> None:
        """Record several rows."""
        for row in rows:
            self.put(row)

    def get(self, key: Key) -> Row | None:
        """Return the row of exactly that key, or None."""
        return self._rows.get(key)

    def search(
        self,
        tensor_name: str | None = None,
        origin: str | None = None,
        round_: int | None = None,
        report: bool | None = None,
        tags: tuple[str, ...] | None = None,
    ) -> list[Row]:
        """Return the rows that agree in everything given; none if none does."""
        rows = self._rows if tensor_name is None else self._by_name.get(tensor_name, {})
        return [
            row
            for row in rows.values()
            if (origin is None or row.origin == origin)
            and (round_ is None or row.round == round_)
            and (report is None or row.report == report)
            and (tags is None or row.tags == tags)
        ]

    def forget(self, through_round: int) -> None:
        """Drop the rows of `through_round` and before, except metrics."""
        dropped = [key for key, row in self._rows.items() if row.round <= through_round and not row.report]
        for key in dropped:
            named = self._by_name[key[0]]
            del self._rows[key], named[key]
            if not named:
                del self._by_name[key[0]]
        if dropped:
            self.version += 1
