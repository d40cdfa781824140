from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fl_core.errors import TensorError
from fl_core.tensors.check import check_like

MODEL = {
    "w": np.zeros((2, 3), np.float32),
    "b": np.zeros(3, np.float64),
    "steps": np.array(0, np.int64),
    "z": np.zeros(2, np.complex64),
}


def changed(**tensors: Any) -> dict[str, Any]:
    return {**MODEL, **tensors}


def test_what_fits_is_passed_on_in_the_order_of_the_template() -> None:
    came = dict(reversed(changed(w=np.ones((2, 3), np.float32)).items()))
    checked, notes = check_like(came, MODEL, what="the aggregate")
    assert list(checked) == list(MODEL)
    assert notes == ()
    assert all(checked[name] is came[name] for name in MODEL)


def test_float64_for_float32_is_cast_back_with_a_note() -> None:
    came = changed(w=np.full((2, 3), 0.1))
    checked, notes = check_like(came, MODEL, what="the aggregate")
    assert checked["w"].dtype == np.float32
    assert checked["w"][0, 0] == np.float32(0.1)
    assert notes == ("the aggregate: tensor 'w' came as float64 and was cast back to float32",)


def test_byte_order_is_mended_without_a_note() -> None:
    checked, notes = check_like(changed(b=np.arange(3, dtype=">f8")), MODEL, what="x")
    assert checked["b"].dtype.isnative
    assert checked["b"].tolist() == [0, 1, 2]
    assert notes == ()


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (
            {k: v for k, v in MODEL.items() if k not in "wb"},
            "names differ from the model's: missing 'b', 'w'$",
        ),
        (changed(new=np.zeros(1)), "extra 'new'$"),
        ({**changed(new=1), "w": None} | {"a": 1}, "extra 'a', 'new'$"),
        ({"b2": 1, "w": 1, "steps": 1, "z": 1}, "missing 'b'; extra 'b2'$"),
        (changed(**{f"x{i}": 0 for i in range(8)}), "extra 'x0', 'x1', 'x2', 'x3', 'x4' and 3 more"),
        (changed(w=[[1.0]]), "tensor 'w' is a list; it must be a numpy array"),
        (changed(w=np.zeros((3, 2), np.float32)), r"tensor 'w' has shape \(3, 2\); it must be \(2, 3\)"),
        (changed(w=np.zeros((2, 3), np.float16)), "'w' has dtype float16; it must be float32"),
        (changed(b=np.zeros(3, np.float32)), "'b' has dtype float32; it must be float64"),
        (changed(steps=np.array(0.0)), "'steps' has dtype float64; it must be int64"),
        (changed(w=np.array([[0, np.nan, 0], [0, np.inf, 0]], np.float32)), "'w' holds 2 values such as nan"),
        (changed(b=np.array([0, -np.inf, 1])), "'b' holds 1 values such as -inf"),
        (changed(w=np.array([[0, 1, 2], [3, 4, -1e39]])), r"'w' holds -1e\+39; .* finite in float32"),
        (changed(z=np.array([0, complex(0, np.nan)], np.complex64)), "'z' holds 1 values"),
    ],
)
def test_the_first_offence_is_named(tensors: dict[str, Any], message: str) -> None:
    with pytest.raises(TensorError, match=f"^the aggregate: .*{message}"):
        check_like(tensors, MODEL, what="the aggregate")


@given(arrays(st.sampled_from([np.float16, np.float32, np.float64, np.complex64]), (2, 3)))
def test_exactly_the_finite_pass(array: np.ndarray) -> None:
    template = {"w": np.zeros_like(array)}
    if np.isfinite(array).all():
        assert check_like({"w": array}, template, what="x")[0]["w"] is array
    else:
        with pytest.raises(TensorError, match="must be finite"):
            check_like({"w": array}, template, what="x")


def test_empty_arrays_and_models() -> None:
    empty = {"w": np.zeros((0, 3), np.float32)}
    assert check_like(empty, empty, what="x") == (empty, ())
    assert check_like({}, {}, what="x") == ({}, ())


def test_a_number_stands_for_an_array_without_dimensions() -> None:
    template = {"scale": np.array(1.0, np.float32)}

    checked, notes = check_like({"scale": template["scale"] * np.float32(2)}, template, what="the aggregate")

    assert checked["scale"].shape == () and float(checked["scale"]) == 2.0
    assert notes == ()
