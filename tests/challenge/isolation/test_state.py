from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from challenge.isolation.state import StrategyState, state_from_bytes, state_to_bytes
from fl_core.errors import TensorError
from fl_core.ipc.frames import BadFrame

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | hnp.arrays(st.sampled_from(["f4", "i8", "?"]), hnp.array_shapes(min_dims=0, max_dims=2)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def comparable(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    return [comparable(item) for item in value] if isinstance(value, list) else (type(value), value)


@settings(max_examples=60)
@given(st.dictionaries(st.text().filter(lambda key: key != "$array"), VALUES, max_size=3))
def test_a_state_comes_back_as_it_was(state: dict[str, Any]) -> None:
    if "$array" in repr(state):
        return
    assert comparable(state_from_bytes(*state_to_bytes(state))) == comparable(state)


def test_only_a_change_is_told_and_the_live_state_is_what_a_resume_would_restore() -> None:
    state = StrategyState()
    first, file = state.changes(
        {"a": np.ones(3), "t": (1, np.float64(2)), "nan": np.array(np.nan)}, "aggregate"
    )
    file.close()
    assert first is not None
    assert state.live["t"] == [1, 2.0] and type(state.live["t"][1]) is float
    state.live["a"][0] = 1.0  # writable, and the same value
    again, file = state.changes(state.live, "aggregate")
    file.close()
    assert again is None
    state.live["a"][0] = -0.0
    changed, file = state.changes(state.live, "aggregate")
    assert changed == first and [entry.name for entry in file.layout.arrays] == ["0", "1"]
    file.close()
    state.live["a"][0] = 0.0  # equal in value, other bits
    assert state.changes(state.live, "aggregate")[0] is not None


@pytest.mark.parametrize("value", [object(), {1: 2}, np.array([object()]), {1, 2}, b"bytes"])
def test_what_cannot_be_kept_is_refused_with_its_place(value: Any) -> None:
    with pytest.raises(TensorError, match=r"context\.state\['x'\]"):
        state_to_bytes({"x": value})


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"3", b"{", b"\xff", b"[" * 100_000, b'{"a":{"$array":[1]}}']
)
def test_a_state_from_elsewhere_that_is_none_is_a_bad_frame(content: bytes) -> None:
    with pytest.raises(BadFrame):
        state_from_bytes(content, {})
