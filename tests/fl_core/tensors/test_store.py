from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fl_core.errors import TensorError
from fl_core.tensors.store import Kind, TensorKey, TensorStore

NAMES, OWNERS, KINDS = st.sampled_from("vw"), st.sampled_from("12"), st.sampled_from(Kind)
ROUNDS = st.integers(0, 8)


class StoreAgainstAList(RuleBasedStateMachine):
    """The store does what a plain dictionary does that is searched from end to end."""

    @initialize(kept=st.sampled_from([-1, 1, 2, 5]))
    def start(self, kept: int) -> None:
        self.kept = kept
        self.store = TensorStore(kept)
        self.model: dict[TensorKey, int] = {}
        self.newest = -1

    def expected(self, *wanted: object) -> list[tuple[TensorKey, int]]:
        def fits(key: TensorKey) -> bool:
            parts = (key.name, key.round, key.owner, key.kind)
            return all(want is None or want == part for want, part in zip(wanted, parts, strict=True))

        kept = [(key, value) for key, value in self.model.items() if fits(key)]
        return sorted(kept, key=lambda pair: (pair[0].round, pair[0].owner, pair[0].kind, pair[0].name))

    @rule(name=NAMES, round=ROUNDS, owner=OWNERS, kind=KINDS, value=st.integers(0, 99))
    def put(self, name: str, round: int, owner: str, kind: Kind, value: int) -> None:
        key = TensorKey(name, round, owner, kind)
        self.store.put(key, np.array(value))
        self.model[key] = value
        self.newest = max(self.newest, round)
        if self.kept != -1:
            self.model = {
                key: value
                for key, value in self.model.items()
                if key.kind is Kind.METRIC or key.round > self.newest - self.kept
            }

    @rule(name=NAMES, round=ROUNDS, owner=OWNERS, kind=KINDS)
    def get(self, name: str, round: int, owner: str, kind: Kind) -> None:
        key = TensorKey(name, round, owner, kind)
        found = self.store.get(key)
        assert (None if found is None else int(found)) == self.model.get(key)

    @rule(name=st.none() | NAMES, round=st.none() | ROUNDS, owner=st.none() | OWNERS, kind=st.none() | KINDS)
    def query(self, name: str | None, round: int | None, owner: str | None, kind: Kind | None) -> None:
        found = [(k, int(v)) for k, v in self.store.query(name=name, round=round, owner=owner, kind=kind)]
        assert found == self.expected(name, round, owner, kind)

    @rule(round=ROUNDS, owner=OWNERS, kind=KINDS)
    def tensors(self, round: int, owner: str, kind: Kind) -> None:
        found = self.store.tensors(round=round, owner=owner, kind=kind)
        expected = {key.name: value for key, value in self.expected(None, round, owner, kind)}
        assert {name: int(array) for name, array in found.items()} == expected

    @invariant()
    def sizes(self) -> None:
        assert len(self.store) == len(self.model)
        assert self.store.rounds() == tuple(sorted({key.round for key in self.model}))
        assert self.store.nbytes == 8 * len(self.model)


TestStoreAgainstAList = StoreAgainstAList.TestCase
TestStoreAgainstAList.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def key(round: int = 0, kind: Kind = Kind.MODEL) -> TensorKey:
    return TensorKey("w", round, "aggregator", kind)


def test_what_is_read_cannot_be_changed_and_is_not_copied() -> None:
    store = TensorStore()
    store.put(key(), np.zeros(3))
    first, second = store.get(key()), store.tensors(round=0, owner="aggregator", kind=Kind.MODEL)["w"]
    assert first is not None
    assert np.shares_memory(first, second)
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        second.flags.writeable = True


def test_the_writer_may_go_on_with_its_array() -> None:
    store = TensorStore()
    mine = np.zeros(3)
    store.put(key(), mine)
    mine[:] = 7
    kept = store.get(key())
    assert kept is not None
    assert kept.tolist() == [0, 0, 0]
    assert mine.flags.writeable


def test_a_read_only_array_is_kept_without_a_copy() -> None:
    store = TensorStore()
    sealed = np.frombuffer(bytes(16), np.float64)
    store.put(key(), sealed)
    kept = store.get(key())
    assert kept is not None
    assert np.shares_memory(kept, sealed)


def test_two_rounds_kept_are_the_newest_and_the_one_before() -> None:
    store = TensorStore(db_store_rounds=2)
    for round in range(5):
        store.put_all({"w": np.zeros(2)}, round=round, owner="aggregator", kind=Kind.MODEL)
    store.put(key(1, Kind.METRIC), np.array(0.5))
    assert store.rounds() == (1, 3, 4)
    assert store.get(key(2)) is None
    assert store.get(key(1, Kind.METRIC)) == 0.5


@pytest.mark.parametrize("kept", [0, -2])
def test_a_number_of_rounds_that_is_none(kept: int) -> None:
    with pytest.raises(TensorError, match="rounds to keep, or -1"):
        TensorStore(kept)


def test_what_cannot_be_kept() -> None:
    with pytest.raises(TensorError, match="rounds count from 0"):
        TensorStore().put(key(-1), np.zeros(1))
    with pytest.raises(TensorError, match="is a list"):
        TensorStore().put(key(), [1.0])  # type: ignore[arg-type]
