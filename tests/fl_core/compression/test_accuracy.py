"""What each codec does to values: golden values and the bounds that its docstring states."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fl_core.compression.base import Codec
from fl_core.compression.bf16 import BFloat16
from fl_core.compression.fp16 import Float16
from fl_core.compression.k_means import KMeans, centres_of
from fl_core.compression.lloyd_max import centroids
from fl_core.compression.nearest import Boundaries, midpoints
from fl_core.compression.positions import pack_positions, unpack_positions
from fl_core.compression.sparse_k_means import SparseKMeans
from fl_core.compression.ternary import Ternary
from fl_core.compression.top_k import TopK

Floats = npt.NDArray[np.float32]
vectors = hnp.arrays(
    np.float32,
    st.integers(1, 300),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False) | st.floats(-8, 8, width=32),
)
properties = settings(max_examples=100, deadline=None)


def through(codec: Codec, values: Floats, seed: int = 0) -> Floats:
    return np.asarray(codec.decode(codec.encode({"w": values}, seed=seed))["w"], np.float32)


def test_fp16_rounds_as_ieee_754_does() -> None:
    # 11 significant bits, half to even: 2049 -> 2048, 2051 -> 2052; 0.1 -> 0x2E66, 1/3 -> 0x3555.
    given_ = np.float32([1, -2, 2049, 2051, 0.1, 1 / 3, 1 + 2**-11, 1 + 3 * 2**-11])
    wanted = [1, -2, 2048, 2052, 0.0999755859375, 0.333251953125, 1, 1 + 2**-9]

    assert through(Float16(dim_threshold=1), given_).tolist() == wanted


def test_fp16_keeps_the_digits_of_tensors_that_ieee_754_halves_cannot_hold() -> None:
    codec = Float16(dim_threshold=1)
    for scale in (1e-42, 1e-9, 1e6, 3e38):
        values = np.float32([1.0, -0.7, 0.3]) * np.float32(scale)
        np.testing.assert_allclose(through(codec, values), values, rtol=2**-10)


def test_bf16_rounds_to_the_upper_half_of_the_bits() -> None:
    # By hand: 1 + 2^-8 lies between 1 and 1 + 2^-7, even is 1; 1 + 3 * 2^-8 goes up to 1 + 2^-6.
    pairs = {
        0x3F800000: 0x3F80,  # 1
        0x3F808000: 0x3F80,  # halfway, even below
        0x3F818000: 0x3F82,  # halfway, even above
        0x3F808001: 0x3F81,  # just above halfway
        0x3DCCCCCD: 0x3DCD,  # 0.1
        0x40490FDB: 0x4049,  # pi
        0xC0490FDB: 0xC049,  # -pi
        0x7F7FFFFF: 0x7F7F,  # the largest float32 stays finite
        0xFF7FFFFF: 0xFF7F,
        0x80000000: 0x8000,  # -0
        0x00000001: 0x0000,
    }
    given_ = np.array(list(pairs), np.uint32).view(np.float32)

    encoded = BFloat16(dim_threshold=1).encode({"w": given_}, seed=0)

    assert encoded.tensors["halves:w"].tolist() == list(pairs.values())


def test_bf16_agrees_with_torch() -> None:
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).standard_normal(10_000).astype(np.float32) * np.float32(1e3)
    wanted = torch.from_numpy(values).to(torch.bfloat16).to(torch.float32).numpy()

    assert np.array_equal(through(BFloat16(), values), wanted)


@properties
@given(values=vectors)
def test_rounding_errors_stay_in_their_bounds(values: Floats) -> None:
    exact = values.astype(np.float64)
    halves = through(Float16(dim_threshold=1), values).astype(np.float64)
    brains = through(BFloat16(dim_threshold=1), values).astype(np.float64)

    assert (np.abs(halves - exact) <= 2**-11 * np.abs(exact) + 2**-39 * np.abs(exact).max() + 2**-149).all()
    assert (np.abs(brains - exact) <= 2**-8 * np.abs(exact) + 2**-134).all()


@properties
@given(values=vectors, share=st.floats(0.01, 1))
def test_top_k_keeps_exactly_the_largest(values: Floats, share: float) -> None:
    codec = TopK(dim_threshold=1, p_sparsity=share)
    kept = codec.kept(values.size)

    decoded = through(codec, values)

    order = sorted(range(values.size), key=lambda i: (-abs(float(values[i])), i))[:kept]
    wanted = np.zeros_like(values)
    wanted[order] = values[order]
    assert np.array_equal(decoded, wanted)


@properties
@given(values=vectors, share=st.floats(0.01, 1))
def test_ternary_sends_the_mean_of_what_it_keeps(values: Floats, share: float) -> None:
    codec = Ternary(dim_threshold=1, p_sparsity=share)
    kept = through(TopK(dim_threshold=1, p_sparsity=share), values)
    support = kept != 0
    mean = np.abs(kept[support].astype(np.float64)).mean() if support.any() else 0.0

    decoded = through(codec, values)

    assert np.array_equal(decoded, np.float32(mean) * np.sign(kept))


@pytest.mark.parametrize("shape", [(1,), (10,), (11, 3), (5, 1, 7), (100, 100), (8, 8)])
def test_ternary_decodes_to_the_right_size_for_any_shape(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)

    decoded = through(Ternary(dim_threshold=1, p_sparsity=0.1), values)

    assert decoded.shape == shape
    assert np.count_nonzero(decoded) == -(-values.size // 10)


@properties
@given(values=vectors, clusters=st.integers(1, 12))
def test_k_means_gives_each_element_the_mean_of_its_cluster(values: Floats, clusters: int) -> None:
    decoded = through(KMeans(dim_threshold=1, n_clusters=clusters), values).astype(np.float64)
    exact = values.astype(np.float64)

    assert np.unique(decoded).size <= clusters
    assert exact.min() <= decoded.min() and decoded.max() <= exact.max()
    scale = np.abs(exact).max() or 1.0
    error = np.square((decoded - exact) / scale).sum()
    assert error <= np.square((exact - exact.mean()) / scale).sum() + 1e-6 * exact.size
    if np.unique(values).size <= clusters:
        assert np.array_equal(decoded, exact)


def test_k_means_finds_the_best_quantiser_of_the_normal_distribution() -> None:
    # Max (1960): distortions of 2, 4, 8 and 16 levels.
    values = np.random.default_rng(0).standard_normal(200_000).astype(np.float32)
    for clusters, distortion in {2: 0.3634, 4: 0.1175, 8: 0.03454, 16: 0.009497}.items():
        error = np.square(through(KMeans(n_clusters=clusters), values) - values).mean()
        assert error == pytest.approx(distortion, rel=0.02)


def test_k_means_stands_clusters_that_differ_by_forty_orders_of_magnitude() -> None:
    values = np.float32([1e-30, 2e-30, 3e-30, 3e38, 3.1e38, -3e38])

    centres = centres_of(values, 3)

    assert centres.size <= 3 and np.isfinite(centres).all()
    assert np.isin(through(KMeans(dim_threshold=1, n_clusters=3), values), centres).all()


def test_sparse_k_means_is_top_k_then_k_means() -> None:
    values = np.random.default_rng(4).standard_normal(5000).astype(np.float32)
    kept = through(TopK(p_sparsity=0.05), values)

    decoded = through(SparseKMeans(p_sparsity=0.05, n_clusters=4), values)

    support = kept != 0
    assert np.array_equal(decoded != 0, support) and np.unique(decoded[support]).size == 4
    wanted = through(KMeans(dim_threshold=1, n_clusters=4), kept[support])
    assert np.array_equal(decoded[support], wanted)


@properties
@given(count=st.integers(1, 5000), data=st.data())
def test_positions_come_back(count: int, data: st.DataObject) -> None:
    chosen = data.draw(st.sets(st.integers(0, count - 1), max_size=200))
    positions = np.array(sorted(chosen), np.int64)

    parts, parameters = pack_positions(positions, count)

    assert np.array_equal(unpack_positions(parts, parameters, count), positions)


def test_positions_cost_what_sattler_et_al_compute() -> None:
    # Bits a position: b* + 1 / (1 - (1 - p)^(2^b*)), with b* = 6 for p = 0.01.
    rng = np.random.default_rng(0)
    positions = np.flatnonzero(rng.random(1_000_000) < 0.01)

    parts, parameters = pack_positions(positions, 1_000_000)

    assert parameters["golomb"] == 6
    bits = 8 * sum(part.size for part in parts.values()) / positions.size
    assert bits == pytest.approx(6 + 1 / (1 - 0.99**64), rel=0.01)
    assert bits < 8.2


@properties
@given(
    levels=st.sets(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=256)
    | st.sets(st.floats(-4, 4, width=32), min_size=6, max_size=256),
    seed=st.integers(0, 1000),
)
def test_labels_are_those_of_a_binary_search(levels: set[float], seed: int) -> None:
    ordered = np.array(sorted(levels), np.float32)
    rng = np.random.default_rng(seed)
    between = midpoints(ordered)
    values = np.concatenate(
        [
            rng.standard_normal(500),
            ordered,
            between,
            np.nextafter(between, np.float32(np.inf)),
            [3.4e38, -3.4e38],
        ]
    ).astype(np.float32)

    assert np.array_equal(Boundaries(ordered).labels(values), np.searchsorted(between, values))


@pytest.mark.parametrize("bits", [3, 4, 8])
def test_labels_of_eden_are_those_of_a_binary_search(bits: int) -> None:
    values = (np.random.default_rng(bits).standard_normal(300_000) * 2).astype(np.float32)
    levels = centroids(bits)

    assert np.array_equal(Boundaries(levels).labels(values), np.searchsorted(midpoints(levels), values))
