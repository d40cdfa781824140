"""What every codec promises, whatever the tensors."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fl_core.compression.base import Codec
from fl_core.compression.bf16 import BFloat16
from fl_core.compression.eden import Eden
from fl_core.compression.fp16 import Float16
from fl_core.compression.k_means import KMeans
from fl_core.compression.none import NoCompression
from fl_core.compression.sparse_k_means import SparseKMeans
from fl_core.compression.ternary import Ternary
from fl_core.compression.top_k import TopK
from fl_core.compression.wire import Encoded
from fl_core.errors import TensorError
from fl_core.tensors import Tensors, codec

LOSSY: list[Codec] = [
    Float16(dim_threshold=1),
    BFloat16(dim_threshold=1),
    TopK(dim_threshold=1, p_sparsity=0.3),
    Ternary(dim_threshold=1, p_sparsity=0.3),
    KMeans(dim_threshold=1, n_clusters=5),
    SparseKMeans(dim_threshold=1, p_sparsity=0.3, n_clusters=3),
    Eden(dim_threshold=1, n_bits=1),
    Eden(dim_threshold=1, n_bits=4),
]
lossy = pytest.mark.parametrize("codec_", LOSSY, ids=repr)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

shapes = st.one_of(
    st.sampled_from([(), (0,), (3, 0, 2), (1,), (1, 1), (7,), (17, 13), (3, 5, 7), (1023,), (1025,)]),
    hnp.array_shapes(max_dims=4, max_side=9),
)


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    dtype = draw(st.sampled_from([np.float32, np.float16]))
    width = 8 * np.dtype(dtype).itemsize
    shape = draw(shapes)
    array = draw(
        st.one_of(
            hnp.arrays(dtype, shape, elements=st.floats(width=width, allow_nan=False, allow_infinity=False)),
            st.floats(width=width, allow_nan=False, allow_infinity=False).map(
                lambda value: np.full(shape, value, dtype)
            ),
            st.integers(0, 2**32 - 1).map(
                lambda seed: np.random.default_rng(seed).standard_normal(shape).astype(dtype)
            ),
        )
    )
    if draw(st.booleans()):
        array = np.moveaxis(np.repeat(array[..., None], 2, -1), 0, -1)[..., ::-1]  # neither C nor F order
    return array


def over_the_wire(encoded: Encoded) -> Encoded:
    """What arrives: the arrays and the metadata of a safetensors file."""
    tensors, metadata = codec.decode(codec.encode(encoded.tensors, encoded.metadata))
    assert metadata is not None
    return Encoded(tensors, metadata)


def as_bytes(tensors: Tensors) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in tensors.items()}


@lossy
@quick
@given(array=arrays(), seed=st.integers(0, 2**63 - 1))
def test_any_tensor_comes_back_in_its_shape_and_dtype_and_finite(
    codec_: Codec, array: np.ndarray[Any, Any], seed: int
) -> None:
    decoded = codec_.decode(over_the_wire(codec_.encode({"a:b/c": array}, seed=seed)))["a:b/c"]

    assert decoded.shape == array.shape and decoded.dtype == array.dtype
    assert np.isfinite(decoded).all()
    if not array.any():
        assert not decoded.any()


@lossy
def test_what_is_not_a_large_float32_or_float16_loses_nothing(codec_: Codec) -> None:
    rng = np.random.default_rng(1)
    tensors = {
        "double": rng.standard_normal(999),
        "long": rng.integers(-(2**62), 2**62, 999),
        "flag": rng.random(999) < 0.5,
        "complex": rng.standard_normal(999).astype(np.complex64),
        "optimizer/momentum": rng.standard_normal(999, dtype=np.float32),
        "scalar": np.array(2.5, np.float64),
    }

    decoded = codec_.decode(over_the_wire(codec_.encode(tensors, seed=1)))

    assert as_bytes(decoded) == as_bytes(tensors)


@pytest.mark.parametrize("kind", [type(c) for c in LOSSY[:-1]], ids=lambda kind: kind.__name__)
def test_only_tensors_from_the_threshold_on_are_compressed(kind: Any) -> None:
    codec_ = kind(dim_threshold=100)
    rng = np.random.default_rng(2)
    below, at = rng.standard_normal(99, dtype=np.float32), rng.standard_normal(100, dtype=np.float32)

    decoded = codec_.decode(codec_.encode({"below": below, "at": at}, seed=0))

    assert np.array_equal(decoded["below"], below) and not np.array_equal(decoded["at"], at)
    assert codec_.compresses("at", at) and not codec_.compresses("below", below)


@lossy
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_by_name(codec_: Codec, value: float) -> None:
    with pytest.raises(TensorError, match="'w' holds NaN or infinity"):
        codec_.encode({"w": np.float32([1.0, value, 2.0])}, seed=0)


@lossy
def test_encoding_is_a_function_of_tensors_and_seed(codec_: Codec) -> None:
    array = np.random.default_rng(3).standard_normal((50, 41)).astype(np.float32)
    fortran = np.asfortranarray(array)
    array.flags.writeable = False

    first, second = codec_.encode({"w": array}, seed=5), codec_.encode({"w": fortran}, seed=5)

    assert as_bytes(first.tensors) == as_bytes(second.tensors) and first.metadata == second.metadata
    other = codec_.encode({"w": array}, seed=6)
    assert (as_bytes(other.tensors) != as_bytes(first.tensors)) == isinstance(codec_, Eden)


def test_tensors_of_one_encoding_do_not_share_their_draws() -> None:
    array = np.random.default_rng(3).standard_normal(4096).astype(np.float32)
    codec_ = Eden(n_bits=1)

    decoded = codec_.decode(codec_.encode({"a": array, "b": array}, seed=5))

    correlation = np.corrcoef(decoded["a"] - array, decoded["b"] - array)[0, 1]
    assert abs(correlation) < 0.1


def test_the_number_of_threads_changes_no_byte() -> None:
    program = (
        "import numpy as np, hashlib\n"
        "from fl_core.compression.eden import Eden\n"
        "from fl_core.compression.k_means import KMeans\n"
        "x = np.random.default_rng(0).standard_normal(300_001, dtype=np.float32)\n"
        "for codec in Eden(n_bits=3), KMeans():\n"
        "    sent = codec.encode({'w': x}, seed=1)\n"
        "    content = [a.tobytes() for a in (*sent.tensors.values(), codec.decode(sent)['w'])]\n"
        "    print(hashlib.sha256(b''.join(content)).hexdigest())\n"
    )
    outputs = set()
    for threads in "1", "2":
        variables = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], threads)
        done = subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, **variables}, capture_output=True, check=True
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1 and len(outputs.pop()) == 130


def test_without_compression_the_very_arrays_pass_whatever_they_hold() -> None:
    tensors = {"w": np.float32([np.nan, 1]), "n": np.array(3)}
    encoded = NoCompression().encode(tensors, seed=0)

    assert encoded.nbytes == 16 and set(encoded.tensors) == {"w", "n"}
    decoded = NoCompression().decode(encoded)
    assert all(decoded[name] is tensors[name] for name in tensors)
    assert as_bytes(NoCompression().decode(over_the_wire(encoded))) == as_bytes(tensors)
