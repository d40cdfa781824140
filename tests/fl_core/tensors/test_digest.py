from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fl_core.errors import TensorError
from fl_core.tensors.codec import decode, encode
from fl_core.tensors.digest import digest

TENSORS = st.dictionaries(
    st.text("abc", max_size=3),
    arrays(
        st.sampled_from([np.float32, np.int64, np.bool_]), array_shapes(min_dims=0, max_dims=3, max_side=3)
    ),
    max_size=4,
)


def test_the_canonical_form() -> None:
    tensors = {"w": np.array([[1, 2]], np.int16), "b": np.array(1.0, np.float32)}
    sha = hashlib.sha256()
    for head, data in (
        (b'["b", "F32", []]', b"\x00\x00\x80\x3f"),
        (b'["w", "I16", [1, 2]]', b"\x01\x00\x02\x00"),
    ):
        sha.update(len(head).to_bytes(8, "little") + head + data)
    assert digest(tensors) == f"sha256:{sha.hexdigest()}"


@settings(max_examples=50, deadline=None)
@given(TENSORS)
def test_order_layout_and_files_do_not_count(tensors: dict[str, np.ndarray]) -> None:
    expected = digest(tensors)
    assert digest(dict(reversed(tensors.items()))) == expected
    assert digest({n: a.astype(a.dtype.newbyteorder(">")) for n, a in tensors.items()}) == expected
    assert digest({n: np.asfortranarray(a).reshape(a.shape) for n, a in tensors.items()}) == expected
    assert digest(decode(encode(tensors))[0]) == expected


@settings(max_examples=100, deadline=None)
@given(TENSORS, TENSORS)
def test_other_tensors_have_another_digest(
    first: dict[str, np.ndarray], second: dict[str, np.ndarray]
) -> None:
    same = encode(first) == encode(second)
    assert (digest(first) == digest(second)) == same


def test_each_part_counts() -> None:
    base = np.zeros(4, np.float32)
    variants = [
        {"a": base},
        {"b": base},
        {"a": base.reshape(2, 2)},
        {"a": base.view(np.int32)},
        {"a": -base},
        {"a": base[:2], "b": base[2:]},
        {},
    ]
    assert len({digest(tensors) for tensors in variants}) == len(variants)


def test_what_cannot_be_stored_has_no_digest() -> None:
    with pytest.raises(TensorError, match="dtype object"):
        digest({"a": np.array([None])})
    with pytest.raises(TensorError, match="surrogate"):
        digest({"\ud800": np.zeros(1)})
