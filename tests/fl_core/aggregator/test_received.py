"""Updates as they are received: in memory or in a file, whole or as deltas, the same bytes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fl_core.aggregator.received import received_update
from fl_core.errors import TensorError
from fl_core.tensors import Tensors
from fl_core.tensors.check import form_of
from fl_core.tensors.lazy import LazyTensors
from fl_core.tensors.spooled import SpooledTensors, write_stream

MODEL = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "n": np.array(7, np.int64),
    "flags": np.array([True, False]),
    "scale": np.array(1.5, np.float32),
}
FINITE = {"allow_nan": False, "allow_infinity": False}
UPDATES = st.fixed_dictionaries(
    {
        "w": st.sampled_from((np.float32, np.float64)).flatmap(
            lambda kind: arrays(kind, (2, 3), elements=st.floats(-1e6, 1e6, width=32))
        ),
        "n": arrays(np.int64, (), elements=st.integers(-9, 9)),
        "flags": arrays(np.bool_, 2),
        "scale": arrays(np.float32, (), elements=st.floats(-1e6, 1e6, width=32)),
        "optimizer/m": arrays(np.float64, 3, elements=st.floats(**FINITE)),
    }
)


def same(first: Tensors, second: Tensors) -> bool:
    return list(first) == list(second) and all(
        first[name].dtype == second[name].dtype
        and first[name].shape == second[name].shape
        and first[name].tobytes() == second[name].tobytes()
        and not (first[name].flags.writeable or second[name].flags.writeable)
        for name in first
    )


@settings(max_examples=60, deadline=None)
@given(UPDATES, st.booleans())
def test_a_spooled_update_is_the_one_in_memory(update: dict[str, Any], delta: bool) -> None:
    base = MODEL if delta else None

    with tempfile.TemporaryDirectory() as folder:
        write_stream(Path(folder) / "a", update)
        spooled = SpooledTensors(Path(folder) / "a")
        lazy = received_update(spooled, form_of(MODEL), base=base, what="x")
        held = received_update(update, form_of(MODEL), base=base, what="x")

        assert isinstance(lazy[0], LazyTensors) and isinstance(held[0], dict)
        assert same(held[0], lazy[0]) and same(held[1], lazy[1])
    assert list(held[0]) == sorted(MODEL) and list(held[1]) == ["optimizer/m"]


def test_deltas_are_added_to_the_model_and_booleans_travel_whole() -> None:
    sent = {"w": np.ones((2, 3)), "n": np.array(1), "flags": ~MODEL["flags"], "scale": np.float32(1) * 1}

    whole, _ = received_update(
        LazyTensors(sent, lambda name: sent[name]), form_of(MODEL), base=MODEL, what="x"
    )

    assert whole["w"].tolist() == [[1, 2, 3], [4, 5, 6]] and whole["w"].dtype == np.float32
    assert (int(whole["n"]), float(whole["scale"])) == (8, 2.5)
    assert whole["flags"].tolist() == [False, True]


def test_an_update_without_a_model_is_one_without_training() -> None:
    assert received_update({}, form_of(MODEL), base=None, what="x") == ({}, {})


@pytest.mark.parametrize("lazily", [False, True])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w": np.zeros((3, 2), np.float32)}, r"x: tensor 'w' has shape \(3, 2\)"),
        ({"n": np.array(1.0)}, "x: tensor 'n' has dtype float64; it must be int64"),
        ({"scale": np.array(np.nan, np.float32)}, "x: tensor 'scale' holds 1 values such as nan"),
        ({"scale": np.array(1e300)}, r"x: tensor 'scale' holds 1e\+300; .* finite in float32"),
        ({"more": np.zeros(1)}, "x: tensor names differ from the model's: extra 'more'"),
        ({"optimizer/m": np.array(np.nan)}, ""),  # looked at when optimizers are averaged
    ],
)
def test_what_is_wrong_is_named(lazily: bool, change: dict[str, Any], message: str) -> None:
    sent: Tensors = {**MODEL, **change}
    if lazily:
        sent = LazyTensors(sent, dict(sent).__getitem__)

    if not message:
        received_update(sent, form_of(MODEL), base=None, what="x")
        return
    with pytest.raises(TensorError, match=f"^{message}"):
        received_update(sent, form_of(MODEL), base=None, what="x")
