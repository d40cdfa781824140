import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenge.records.canonical import canonical_json
from challenge.records.errors import RecordError

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=10,
)


@given(values)
def test_reading_and_writing_again_gives_the_same_bytes(value: Any) -> None:
    content = canonical_json(value)
    assert json.loads(content) == value
    assert canonical_json(json.loads(content)) == content


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers()))
def test_the_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    assert canonical_json(value) == canonical_json(dict(reversed(value.items())))


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"a": [1.0, float("nan")]}, r"record\.a\[1\] is nan"),
        ({"a": float("-inf")}, r"record\.a is -inf"),
        ({"a": {1: 2}}, r"record\.a has the key 1"),
        ({"a": np.float32(1)}, r"record\.a is a float32"),
        ({"a": b"x"}, r"record\.a is a bytes"),
        ("\ud800", "not UTF-8"),
    ],
)
def test_what_json_has_no_word_for_is_named(value: Any, what: str) -> None:
    with pytest.raises(RecordError, match=what):
        canonical_json(value)


def test_nesting_without_end_is_refused() -> None:
    value: list[Any] = []
    for _ in range(5000):
        value = [value]
    with pytest.raises(RecordError, match="nested too deeply"):
        canonical_json(value)
