"""Decoding trusts nothing: whatever arrives, it is decoded to the declared shape or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_core.compression.base import Codec
from fl_core.compression.bf16 import BFloat16
from fl_core.compression.eden import Eden
from fl_core.compression.fp16 import Float16
from fl_core.compression.k_means import KMeans
from fl_core.compression.none import NoCompression
from fl_core.compression.sparse_k_means import SparseKMeans
from fl_core.compression.ternary import Ternary
from fl_core.compression.top_k import TopK
from fl_core.compression.wire import Encoded, check_shapes
from fl_core.errors import TensorError

CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        NoCompression(),
        Float16(),
        BFloat16(),
        TopK(p_sparsity=0.1),
        Ternary(p_sparsity=0.1),
        KMeans(),
        SparseKMeans(p_sparsity=0.1),
        Eden(n_bits=2),
    )
}
MODEL = {
    "w": np.random.default_rng(0).standard_normal((30, 20)).astype(np.float32),
    "n": np.arange(3),
}


def sent(codec: Codec) -> tuple[dict[str, Any], dict[str, Any]]:
    encoded = codec.encode(MODEL, seed=3)
    return dict(encoded.tensors), deepcopy(dict(encoded.metadata))


def entry(**changes: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda tensors, metadata: metadata["tensors"]["w"].update(changes)


def parameter(**changes: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda tensors, metadata: metadata["tensors"]["w"]["parameters"].update(changes)


def part(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda tensors, metadata: tensors.update({name: change(tensors[name])})


def drop(name: str) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda tensors, metadata: tensors.pop(name)


def whole(**changes: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda tensors, metadata: metadata.update(changes)


CORRUPT: list[tuple[str, Callable[[dict[str, Any], dict[str, Any]], Any], str]] = [
    ("top_k", whole(codec="eden"), "compressed with 'eden'"),
    ("top_k", whole(codec=7), "names no codec"),
    ("top_k", whole(tensors=[]), "describes no tensors"),
    ("top_k", whole(tensors={"w": {"shape": [1]}}), "'w': the metadata must have"),
    ("top_k", entry(shape=[-30, -20]), "'w': .*shape"),
    ("top_k", entry(shape=[2**40, 2**40]), "shape|bytes of tensors are more"),
    ("top_k", entry(shape=[2**30, 2**30]), "bytes of tensors are more"),
    ("top_k", entry(shape=[30.0, 20]), "'w': .*shape"),
    ("top_k", entry(shape=[True, 600]), "'w': .*shape"),
    ("top_k", entry(shape=[1] * 65), "'w': .*shape"),
    ("top_k", entry(shape="600"), "'w': .*shape"),
    ("top_k", entry(dtype="float128"), "'w': .*dtype"),
    ("top_k", entry(dtype="object"), "'w': .*dtype"),
    ("top_k", entry(dtype="float64"), "'w': .*form"),
    ("top_k", entry(form="raw"), "'w': .*form"),
    ("top_k", entry(form=None), "'w': .*form"),
    ("top_k", entry(parameters={"kept": 1.5}), "'w': .*parameters"),
    ("top_k", entry(parameters={}), "'w': parameter 'kept' is None"),
    ("top_k", parameter(kept=601), "'w': parameter 'kept' is 601"),
    ("top_k", parameter(kept=59), "'w': .*positions"),
    ("top_k", parameter(golomb=33), "'w': parameter 'golomb' is 33"),
    ("top_k", parameter(golomb=-1), "'w': parameter 'golomb' is -1"),
    ("top_k", entry(shape=[5, 100]), "'w': a position is beyond the 500"),
    ("top_k", entry(shape=[3, 100]), "'w': .*(beyond|too many)"),
    ("top_k", drop("values:w"), "'w': part 'values' is missing"),
    ("top_k", part("values:w", lambda a: a[:-1]), "'w': part 'values' has 59"),
    ("top_k", part("values:w", lambda a: a.astype(np.float64)), "'w': part 'values' is float64"),
    ("top_k", part("values:w", lambda a: a[:, None]), "'w': part 'values' is float32"),
    ("top_k", part("values:w", lambda a: a * np.float32(np.nan)), "'w': it decodes to NaN"),
    ("top_k", part("quotients:w", lambda a: a[:-1]), "'w': it has"),
    ("top_k", part("quotients:w", lambda a: np.append(a, np.uint8(0))), "'w': .*(left over|too many)"),
    ("top_k", part("quotients:w", lambda a: np.zeros(10**6, np.uint8)), "'w': .*too many"),
    ("top_k", part("remainders:w", lambda a: a[:-1]), "'w': .*bytes do not hold"),
    ("top_k", drop("raw:n"), "'n': .*parts"),
    ("top_k", part("raw:n", lambda a: a[:2]), "'n': it came as"),
    ("top_k", part("raw:n", lambda a: a.astype(np.int32)), "'n': it came as int32"),
    ("top_k", lambda tensors, metadata: metadata["tensors"].pop("n"), "'n' is not in the metadata"),
    ("top_k", lambda tensors, metadata: tensors.update(w=np.zeros(1)), "'w' is no part"),
    ("ternary", part("mean:w", lambda a: -a), "'w': the mean"),
    ("ternary", part("mean:w", lambda a: a * np.float32(np.inf)), "'w': it decodes to NaN or inf"),
    ("ternary", part("mean:w", lambda a: np.append(a, a)), "'w': part 'mean' has 2"),
    ("ternary", part("signs:w", lambda a: a[:-1]), "'w': .*bytes do not hold"),
    ("k_means", part("labels:w", lambda a: a | 255), "'w': label 7 has no centre"),
    ("k_means", part("labels:w", lambda a: a[1:]), "'w': .*bytes do not hold"),
    ("k_means", part("centres:w", lambda a: a[:0]), "'w': it has 0 centres"),
    ("k_means", part("centres:w", lambda a: np.zeros(257, np.float32)), "'w': it has 257 centres"),
    ("k_means", part("centres:w", lambda a: a * np.float32(np.inf)), "'w': it decodes to NaN"),
    ("sparse_k_means", part("labels:w", lambda a: a | 255), "'w': label 7 has no centre"),
    ("fp16", part("halves:w", lambda a: np.full_like(a, np.inf)), "'w': it decodes to NaN or inf"),
    ("fp16", part("halves:w", lambda a: np.full_like(a, np.nan)), "'w': it decodes to NaN"),
    ("fp16", parameter(exponent=10**9), "'w': parameter 'exponent'"),
    ("fp16", part("halves:w", lambda a: a[:-1]), "'w': part 'halves' has 599"),
    ("bf16", part("halves:w", lambda a: a | 0x7F80), "'w': it decodes to NaN"),
    ("eden", parameter(seed=-1), "'w': parameter 'seed'"),
    ("eden", parameter(seed=2**63), "'w': parameter 'seed'"),
    ("eden", parameter(bits=8), "'w': parameter 'bits'"),
    ("eden", part("scales:w", lambda a: -a), "'w': its scales"),
    ("eden", part("scales:w", lambda a: a * np.float32(np.nan)), "'w': its scales"),
    ("eden", part("scales:w", lambda a: a[:-1]), "'w': part 'scales'"),
    ("eden", part("labels:w", lambda a: a[:-1]), "'w': .*bytes do not hold"),
    ("none", drop("w"), "'w' is not both sent and in the metadata"),
    ("none", entry(form="eden"), "'w': it came in the form"),
    ("none", entry(shape=[20, 30]), "'w': it came as"),
]


@pytest.mark.parametrize(("name", "corrupt", "message"), CORRUPT)
def test_what_does_not_fit_is_refused_by_name(
    name: str, corrupt: Callable[[dict[str, Any], dict[str, Any]], Any], message: str
) -> None:
    tensors, metadata = sent(CODECS[name])
    corrupt(tensors, metadata)

    with pytest.raises(TensorError, match=message):
        CODECS[name].decode(Encoded(tensors, metadata))


@pytest.mark.parametrize("name", list(CODECS))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_random_damage_is_refused_or_decodes_to_what_is_declared(name: str, data: st.DataObject) -> None:
    tensors, metadata = sent(CODECS[name])
    key = data.draw(st.sampled_from(sorted(tensors)))
    array = tensors[key].copy()
    content = array.reshape(-1).view(np.uint8)
    if content.size:
        content[data.draw(st.integers(0, content.size - 1))] = data.draw(st.integers(0, 255))
    tensors[key] = array
    if data.draw(st.booleans()):
        parameters = metadata["tensors"]["w"]["parameters"]
        if parameters:
            chosen = data.draw(st.sampled_from(sorted(parameters)))
            parameters[chosen] = data.draw(st.integers(-1, 700))
    try:
        decoded = CODECS[name].decode(Encoded(tensors, metadata))
    except TensorError:
        return
    for tensor, original in MODEL.items():
        assert decoded[tensor].shape == original.shape and decoded[tensor].dtype == original.dtype
    if name != "none":
        assert np.isfinite(decoded["w"]).all()


def test_shapes_are_compared_before_memory_is_spent() -> None:
    # 60 kept elements that claim to be a terabyte: refused without decoding.
    tensors, metadata = sent(CODECS["top_k"])
    metadata["tensors"]["w"]["shape"] = [30, 2**28]

    with pytest.raises(TensorError, match=r"the update: tensor 'w' says float32\[30, 268435456\]"):
        check_shapes(Encoded(tensors, metadata), MODEL, what="the update")
    metadata["tensors"]["w"]["shape"] = [30, 20]
    check_shapes(Encoded(tensors, metadata), MODEL, what="the update")
    metadata["tensors"]["v"] = metadata["tensors"].pop("w")
    with pytest.raises(TensorError, match="'v' is no tensor of the model"):
        check_shapes(Encoded(tensors, metadata), MODEL, what="the update")


def test_a_forged_stream_of_large_gaps_does_not_wrap_around() -> None:
    # 32-bit remainders of all ones: their sum must not come out small again.
    parts = {
        "quotients:w": np.array([0xF0], np.uint8),
        "remainders:w": np.full(32, 255, np.uint8),
        "values:w": np.zeros(4, np.float32),
    }
    described: Mapping[str, Any] = {
        "dtype": "float32",
        "shape": [600],
        "form": "top_k",
        "parameters": {"kept": 4, "golomb": 32},
    }
    with pytest.raises(TensorError, match="a position is beyond the 600 elements"):
        TopK().decode(Encoded(parts, {"codec": "top_k", "tensors": {"w": described}}))
