from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.task1_aggregation.fets.ledger import PLACEHOLDER_ROUND, Ledger, Row

ROWS = st.lists(
    st.builds(
        Row,
        tensor_name=st.sampled_from(["a", "b"]),
        origin=st.sampled_from(["aggregator", "_"]),
        round=st.integers(0, 4) | st.just(PLACEHOLDER_ROUND),
        report=st.booleans(),
        tags=st.sampled_from([("model",), ("1", "trained"), ("metric",)]),
        nparray=st.integers(),
    ),
    max_size=40,
)
QUERY = st.fixed_dictionaries(
    {},
    optional={
        "tensor_name": st.sampled_from(["a", "b", "c"]),
        "origin": st.sampled_from(["aggregator", "_"]),
        "round_": st.integers(0, 5),
        "report": st.booleans(),
        "tags": st.sampled_from([("model",), ("1", "trained"), ("nothing",)]),
    },
)


def filled(rows: list[Row]) -> Ledger:
    ledger = Ledger()
    ledger.extend(rows)
    return ledger


@given(ROWS, QUERY)
def test_search_is_a_filter_over_the_last_row_of_each_key(rows, query):
    last = {row.key: row for row in rows}
    expected = [
        row for row in last.values() if all(getattr(row, k.rstrip("_")) == v for k, v in query.items())
    ]
    assert filled(rows).search(**query) == expected


@given(ROWS, st.integers(-1, 5))
def test_forgetting_keeps_metrics_and_later_rounds_and_rows_without_a_round(rows, through):
    ledger = filled(rows)
    kept = [row for row in ledger if row.report or row.round > through]
    ledger.forget(through)
    assert list(ledger) == kept
    assert ledger.search(tensor_name="a") == [row for row in kept if row.tensor_name == "a"]


def test_a_row_that_must_not_be_overwritten_stays():
    ledger = filled([Row("m", "_", 0, False, (), 1)])
    before = ledger.version
    assert not ledger.put(Row("m", "_", 0, False, (), 2), overwrite=False)
    assert ledger.version == before
    assert ledger.get(("m", "_", 0, False, ())).nparray == 1
