"""``tensor_db`` and ``db_iterator``: the recorded rows as participants' functions expect them.

2022's functions get a pandas DataFrame with ``store``, ``retrieve`` and ``search``; 2021's a one-shot
iterator of pandas rows. Both are views of one `Ledger`; what a function does to a view harms nothing
but the view, and what should last goes through ``store``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.task1_aggregation.fets.ledger import PLACEHOLDER_ROUND, Key, Ledger, Row

if TYPE_CHECKING:
    _Series = pd.Series[Any]
else:
    _Series = pd.Series

FRAME_COLUMNS = ("tensor_name", "origin", "round", "report", "tags", "nparray")
ITERATOR_COLUMNS = ("round", "nparray", "tensor_name", "tags")


class Record(_Series):
    """A row as a pandas Series, with a short way to ``record["tags"]``.

    Old aggregation functions scan every row once for each tensor of the model. The Series' own
    look-up takes twenty times as long as a dictionary's, and that would be most of a round.
    """

    _fields: dict[str, Any]
    _metadata = ["_fields"]  # noqa: RUF012 - the name and form that pandas asks for

    @classmethod
    def of(cls, row: Row, columns: Iterable[str]) -> Record:
        """Make the record of a row with these columns."""
        fields = {column: getattr(row, column) for column in columns}
        record = cls(_objects(fields.values()), index=_index(tuple(fields)))
        record._fields = fields
        return record

    @property
    def _constructor(self) -> Any:
        return pd.Series

    def __getitem__(self, key: Any) -> Any:
        try:
            return self._fields[key]
        except (KeyError, TypeError):
            return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self._fields = {**self._fields, key: value}


class TensorDB(pd.DataFrame):
    """The 2022 table: columns ``tensor_name, origin, round, report, tags, nparray``.

    Differs from the original where that one could hurt: a search without a match is empty.
    """

    _views: Views
    _labels: dict[Key, int]
    _metadata = ["_views", "_labels"]  # noqa: RUF012 - the name and form that pandas asks for

    @property
    def _constructor(self) -> Any:
        return pd.DataFrame

    def store(
        self,
        tensor_name: str = "_",
        origin: str = "_",
        fl_round: int = PLACEHOLDER_ROUND,
        metric: bool = False,
        tags: Iterable[str] = ("_",),
        nparray: Any = None,
        overwrite: bool = True,
    ) -> None:
        """Record a value of one's own; it is found again in later rounds.

        Args:
            tensor_name: A name.
            origin: Where it comes from.
            fl_round: Its round; rows without one are never dropped.
            metric: Whether it is a metric, kept for ever.
            tags: Its tags.
            nparray: The value.
            overwrite: Whether a row that agrees in all of these is replaced or kept.
        """
        row = Row(tensor_name, origin, int(fl_round), bool(metric), tuple(tags), nparray)
        views = self._views
        if not views.ledger.put(row, overwrite=overwrite):
            return
        self._show(row)
        views.frame_is_current()

    def _show(self, row: Row) -> None:
        label = self._labels.get(row.key)
        if label is None:
            label = self._labels[row.key] = len(self._labels)
            values = [getattr(row, column) for column in FRAME_COLUMNS]
            self.loc[label] = pd.Series(_objects(values), index=_index(FRAME_COLUMNS))
        else:
            self.at[label, "nparray"] = row.nparray

    def retrieve(
        self,
        tensor_name: str = "_",
        origin: str = "_",
        fl_round: int = PLACEHOLDER_ROUND,
        metric: bool = False,
        tags: Iterable[str] = ("_",),
    ) -> Any:
        """Return the value of the row that agrees in all of these, or None."""
        row = self._views.ledger.get((tensor_name, origin, int(fl_round), bool(metric), tuple(tags)))
        return None if row is None else row.nparray

    def search(
        self,
        tensor_name: str | None = None,
        origin: str | None = None,
        fl_round: int | None = None,
        metric: bool | None = None,
        tags: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Return the rows that agree in everything given, as a table; empty if none does."""
        tags = None if tags is None else tuple(tags)
        return table(self._views.ledger.search(tensor_name, origin, fl_round, metric, tags))

    def iterrows(self) -> Iterator[tuple[Hashable, Any]]:
        """Return an iterator of (label, row) in the order of recording."""
        return iter(enumerate(self._views.records(FRAME_COLUMNS)))


class Views:
    """Hands out the views of a ledger, each made once per change and not once per tensor."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._made: dict[tuple[str, ...], dict[Row, Record]] = {FRAME_COLUMNS: {}, ITERATOR_COLUMNS: {}}
        self._listed: dict[tuple[str, ...], tuple[int, list[Record]]] = {}
        self._frame: TensorDB | None = None
        self._frame_version = -1

    def iterator(self) -> Iterator[Record]:
        """Return 2021's one-shot iterator of rows, the latest round first."""
        return iter(self.records(ITERATOR_COLUMNS))

    def frame(self) -> TensorDB:
        """Return 2022's table; the same object until the harness records something."""
        if self._frame is None or self._frame_version != self.ledger.version:
            self._frame = TensorDB(table(self.ledger))
            self._frame._views = self
            self._frame._labels = {row.key: label for label, row in enumerate(self.ledger)}
            self.frame_is_current()
        return self._frame

    def frame_is_current(self) -> None:
        """Note that the table shows all that the ledger has."""
        self._frame_version = self.ledger.version

    def records(self, columns: tuple[str, ...]) -> list[Record]:
        """Return all rows as pandas rows: of the iterator the latest round first, else as recorded."""
        version, records = self._listed.get(columns, (-1, []))
        if version != self.ledger.version:
            rows: Iterable[Row] = self.ledger
            if columns == ITERATOR_COLUMNS:
                rows = sorted(rows, key=lambda row: -row.round)
            made = self._made[columns]
            records = []
            for row in rows:
                if row not in made:
                    made[row] = Record.of(row, columns)
                records.append(made[row])
            self._listed[columns] = (self.ledger.version, records)
        return records

    def forget(self, through_round: int) -> None:
        """Drop old rows from the ledger, and whatever the views still hold of rows that are gone."""
        self.ledger.forget(through_round)
        alive = set(self.ledger)
        self._made = {
            columns: {row: record for row, record in made.items() if row in alive}
            for columns, made in self._made.items()
        }
        self._listed.clear()
        self._frame = None


def table(rows: Iterable[Row]) -> pd.DataFrame:
    """Return rows as a plain table of `FRAME_COLUMNS`; the arrays themselves are not copied."""
    listed = list(rows)
    columns: dict[str, Any] = {
        "tensor_name": pd.Series(_objects(row.tensor_name for row in listed), dtype=object),
        "origin": pd.Series(_objects(row.origin for row in listed), dtype=object),
        "round": pd.Series([row.round for row in listed], dtype=np.int64),
        "report": pd.Series([row.report for row in listed], dtype=bool),
        "tags": pd.Series(_objects(row.tags for row in listed), dtype=object),
        "nparray": pd.Series(_objects(row.nparray for row in listed), dtype=object),
    }
    return pd.DataFrame(columns)


def _objects(values: Iterable[Any]) -> Any:
    # numpy would turn equal-shaped arrays or tuples into one array of more dimensions
    listed = list(values)
    cells = np.empty(len(listed), dtype=object)
    for position, value in enumerate(listed):
        cells[position] = value
    return cells


_INDEXES: dict[tuple[str, ...], Any] = {
    columns: pd.Index(columns, dtype=object) for columns in (FRAME_COLUMNS, ITERATOR_COLUMNS)
}


def _index(columns: tuple[str, ...]) -> Any:
    return _INDEXES[columns]
