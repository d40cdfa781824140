from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fl_core.durable import Disk
from fl_core.errors import TensorError
from fl_core.tensors.codec import decode, encode, read_file, write_file
from fl_core.tensors.header import Limits
from fl_core.tensors.raw import DTYPES

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda n: n != "__metadata__")
SHAPES = st.one_of(st.just(()), array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def some_array(draw: st.DrawFn) -> np.ndarray:
    dtype = draw(st.sampled_from(list(DTYPES.values()))).newbyteorder(draw(st.sampled_from("<>")))
    array = draw(arrays(dtype, draw(SHAPES)))
    if draw(st.booleans()):
        array = array.T
    if array.ndim and draw(st.booleans()):
        array = array[::-1]
    return array


TENSORS = st.dictionaries(NAMES, some_array(), max_size=6)


def equal(first: np.ndarray, second: np.ndarray) -> bool:
    """Equal to the last bit, NaNs and the sign of zero included."""
    native = [array.astype(array.dtype.newbyteorder("<")) for array in (first, second)]
    return (
        native[0].dtype == native[1].dtype
        and native[0].shape == native[1].shape
        and native[0].tobytes() == native[1].tobytes()
    )


def file_of(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(begin: int, end: int, shape: list[Any], dtype: object = "U8") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@settings(max_examples=50, deadline=None)
@given(TENSORS, st.none() | st.dictionaries(NAMES, JSON, max_size=3))
def test_what_is_decoded_is_what_was_encoded(tensors: dict[str, np.ndarray], metadata: Any) -> None:
    decoded, kept = decode(encode(tensors, metadata))
    assert kept == metadata
    assert list(decoded) == sorted(tensors)
    for name, array in decoded.items():
        assert equal(array, tensors[name])
        assert array.dtype.isnative
        assert not array.flags.writeable
        assert array.flags.aligned


@settings(max_examples=50, deadline=None)
@given(TENSORS, st.randoms(use_true_random=False))
def test_equal_tensors_give_equal_bytes_in_any_order(tensors: dict[str, np.ndarray], random: Any) -> None:
    names = list(tensors)
    random.shuffle(names)
    shuffled = {name: np.asfortranarray(tensors[name]).reshape(tensors[name].shape) for name in names}
    assert encode(shuffled, {"b": 1, "a": [2]}) == encode(tensors, {"a": [2], "b": 1})


@settings(max_examples=50, deadline=None)
@given(TENSORS, st.none() | st.just({"round": 3}))
def test_the_safetensors_library_reads_our_files(tensors: dict[str, np.ndarray], metadata: Any) -> None:
    theirs = safetensors.numpy.load(encode(tensors, metadata))
    assert theirs.keys() == tensors.keys()
    assert all(equal(theirs[name], tensors[name]) for name in tensors)


@settings(max_examples=50, deadline=None)
@given(TENSORS)
def test_we_read_files_of_the_safetensors_library(tensors: dict[str, np.ndarray]) -> None:
    plain = {n: np.array(a, dtype=a.dtype.newbyteorder("<"), order="C") for n, a in tensors.items()}
    decoded, metadata = decode(safetensors.numpy.save(plain, {"format": "pt", "other": "note"}))
    assert metadata is None
    assert all(equal(decoded[name], tensors[name]) for name in tensors)


def test_the_bytes_of_a_small_file() -> None:
    content = encode({"w": np.array([1.0], np.float32), "n": np.array(2, np.int64)}, {"b": 1, "a": "é"})
    header = (
        '{"__metadata__":{"fl_core":"{\\"a\\":\\"é\\",\\"b\\":1}"},'
        '"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},'
        '"w":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}'
    ).encode()
    padded = header + b" " * (-len(header) % 8)
    data = (2).to_bytes(8, "little") + b"\x00\x00\x80\x3f"
    assert content == len(padded).to_bytes(8, "little") + padded + data


BASE = encode(
    {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "flag": np.array([True, False]), "n": np.array(7)},
    {"round": 3},
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(BASE) - 1), st.integers(0, 255)), max_size=4),
    st.integers(0, len(BASE)),
    st.binary(max_size=9),
)
def test_no_mutation_does_worse_than_a_tensor_error(
    changes: list[tuple[int, int]], cut: int, tail: bytes
) -> None:
    mutated = bytearray(BASE)
    for place, value in changes:
        mutated[place] = value
    content = bytes(mutated[:cut]) + tail
    try:
        tensors, _ = decode(content)
    except TensorError:
        return
    # What passes is whole: it can be written and read again.
    again, _ = decode(encode(tensors))
    assert all(equal(again[name], array) for name, array in tensors.items())


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
@example(b"")
@example(b"\xff" * 16)
@example(file_of(b"[" * 100_000))
@example(file_of(b'{"a":' + b"9" * 5000 + b"}"))
@example(file_of({"a": entry(0, 0, [9] * 100_000)}))
@example(file_of({"a": entry(0, 0, [0, 2**70])}))
@example(file_of({"a": entry(0, 0, [0] * 65)}))
@example(file_of({"a": entry(0, 1, [True])}, b"x"))
@example(file_of({"a": entry(0, 1, [1.0])}, b"x"))
@example(file_of({"a": entry(0, 1, [-1])}, b"x"))
@example(file_of({"a": entry(0, 1, [1], "BF16")}, b"x"))
@example(file_of({"a": entry(0, 1, [1], ["U8"])}, b"x"))
@example(file_of({"a": {"dtype": "U8", "shape": 1, "data_offsets": [0, 1]}}, b"x"))
@example(file_of({"__metadata__": {"fl_core": "[]"}}))
@example(file_of({"__metadata__": {"fl_core": "{"}}))
@example(file_of({"__metadata__": {"fl_core": '{"a":NaN}'}}))
@example(file_of({"__metadata__": {"fl_core": "[" * 100_000}}))
@example(file_of({"__metadata__": {"a": 1}}))
@example(file_of([]))
def test_no_rubbish_does_worse_than_a_tensor_error(content: bytes) -> None:
    with pytest.raises(TensorError):
        decode(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (file_of({"a": entry(0, 2, [2]), "b": entry(1, 3, [2])}, b"xyz"), "'b' overlaps"),
        (file_of({"a": entry(0, 1, [1]), "b": entry(2, 3, [1])}, b"xyz"), "leaves a gap"),
        (file_of({"a": entry(0, 2, [2])}, b"xyz"), "3 bytes of tensors where its header tells of 2"),
        (file_of({"a": entry(0, 4, [4])}, b"xyz"), "3 bytes of tensors where its header tells of 4"),
        (file_of({"a": entry(0, 3, [2])}, b"xyz"), "3 bytes do not fit U8"),
        (file_of({"a": entry(0, 2, [1], "BF16")}, b"xy"), "dtype BF16; convert it to one of BOOL, U8"),
        (file_of({"a": entry(0, 1, [1], "BOOL")}, b"\x02"), "booleans other than 0 and 1"),
        (file_of(b'{"a":{"dtype":"U8","dtype":"U8"}}'), "twice"),
        (file_of(b"{}")[:-1], "cut off"),
        (encode({"a": np.zeros(3)})[:-1], "cut off"),
    ],
)
def test_what_is_wrong_is_said(content: bytes, message: str) -> None:
    with pytest.raises(TensorError, match=message):
        decode(content)


def test_limits_bind_both_sides() -> None:
    tensors = {"a": np.zeros(4), "b": np.zeros(4)}
    content = encode(tensors)
    for limits, what in (
        (Limits(header_bytes=64), "bytes of header"),
        (Limits(tensors=1), "2 tensors"),
        (Limits(total_bytes=len(content) - 1), "bytes in all"),
        (Limits(name_length=0), "shorten"),
    ):
        for attempt in (lambda: encode(tensors, limits=limits), lambda: decode(content, limits=limits)):  # noqa: B023
            with pytest.raises(TensorError, match=what):
                attempt()
    exact = Limits(tensors=2, total_bytes=len(content))
    assert decode(encode(tensors, limits=exact), limits=exact)[0].keys() == tensors.keys()


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"a": np.array(["text"])}, "dtype <U4"),
        ({"a": np.array([None])}, "dtype object"),
        ({"a": np.zeros(2, np.complex128)}, "complex128, which cannot be stored"),
        ({"a": np.zeros(2, [("x", np.float32)])}, "cannot be stored"),
        ({"a": np.zeros(2, "V2")}, "cannot be stored"),
        ({"a": 3.0}, "is a float; make it a numpy array"),
        ({3: np.zeros(2)}, "name 3 must be text"),
        ({"__metadata__": np.zeros(2)}, "must be text other than"),
        ({"\ud800": np.zeros(2)}, "surrogate"),
        ({"a": np.empty((0, 2**40))}, "beyond the"),
    ],
)
def test_tensors_that_files_do_not_hold(tensors: Any, message: str) -> None:
    with pytest.raises(TensorError, match=message):
        encode(tensors)


@pytest.mark.parametrize(
    "metadata", [{"a": (1, 2)}, {1: "a"}, {"a": float("nan")}, {"a": np.float32(1)}, {"a": "\ud800"}]
)
def test_metadata_that_json_does_not_keep(metadata: Any) -> None:
    with pytest.raises(TensorError, match=r"JSON|surrogate"):
        encode({}, metadata)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    tensors = {"w": np.arange(3, dtype=np.float16)}
    write_file(path, tensors, {"schema": "model/1"}, disk=Disk())
    assert path.read_bytes() == encode(tensors, {"schema": "model/1"})
    read, metadata = read_file(path)
    assert equal(read["w"], tensors["w"])
    assert metadata == {"schema": "model/1"}
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(TensorError, match=r"model\.safetensors: cannot be read: No such file"):
        read_file(path)
    with pytest.raises(TensorError, match="cannot be read: Is a directory"):
        read_file(tmp_path)
    path.write_bytes(BASE[:-1])
    with pytest.raises(TensorError, match=r"^[^:]*model\.safetensors: the file has .* cut off"):
        read_file(path)
    with pytest.raises(TensorError, match=r"^[^:]*model\.safetensors: \d+ bytes are more than the 9 allowed"):
        read_file(path, limits=Limits(total_bytes=9))
