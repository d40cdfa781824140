"""EDEN: its quantiser, its rotation, and that its errors average out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_core.compression.eden import Eden
from fl_core.compression.exponent import Floats
from fl_core.compression.lloyd_max import centroids
from fl_core.compression.rotation import (
    LARGEST_BLOCK,
    SMALLEST_BLOCK,
    Signs,
    block_sizes,
    hadamard,
    rotate,
    rotate_back,
)

DISTORTION = {1: 0.36338, 2: 0.11748, 3: 0.034548, 4: 0.0095010}
"""Of the normal distribution's best quantisers (Max 1960; four digits more from Lloyd's iteration)."""


@pytest.mark.parametrize("bits", range(1, 9))
def test_levels_are_the_means_of_their_cells(bits: int) -> None:
    from scipy.stats import norm

    levels = centroids(bits).astype(np.float64)
    edges = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]])
    mass = np.where(edges[:-1] < 0, np.diff(norm.cdf(edges)), -np.diff(norm.sf(edges)))
    means = -np.diff(norm.pdf(edges)) / mass

    np.testing.assert_allclose(levels, means, rtol=2e-5)
    assert levels.size == 2**bits
    if bits in DISTORTION:
        assert 1 - np.sum(mass * levels**2) == pytest.approx(DISTORTION[bits], rel=1e-4)


def test_the_first_levels_are_those_of_the_paper() -> None:
    assert centroids(1).tolist() == np.float32([-0.79788456, 0.79788456]).tolist()
    np.testing.assert_allclose(centroids(3)[4:], [0.2451, 0.7560, 1.3439, 2.1520], atol=1e-4)


@given(count=st.integers(0, 400_000))
@settings(deadline=None)
def test_blocks_hold_all_elements_with_little_padding(count: int) -> None:
    sizes = block_sizes(count)

    assert count <= sum(sizes) < count + SMALLEST_BLOCK
    assert all(SMALLEST_BLOCK <= size <= LARGEST_BLOCK and size & (size - 1) == 0 for size in sizes)
    assert sum(sizes[:-1]) <= count


@pytest.mark.parametrize("power", [0, 1, 2, 5, 8])
def test_hadamard_is_the_matrix(power: int) -> None:
    from scipy.linalg import hadamard as matrix

    x = np.random.default_rng(power).standard_normal(2**power).astype(np.float32)

    np.testing.assert_allclose(hadamard(x), matrix(2**power) @ x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [128, 2048, LARGEST_BLOCK])
def test_a_rotation_keeps_lengths_and_can_be_undone(size: int) -> None:
    x = np.zeros(size, np.float32)
    x[[3, 77]] = 5.0, -2.0
    [signs] = Signs(4).pairs([size])

    rotated = rotate(x, signs)

    assert np.linalg.norm(rotated) == pytest.approx(np.linalg.norm(x), rel=1e-5)
    assert np.abs(rotated).max() < 0.6 * np.linalg.norm(x)  # two elements became many
    np.testing.assert_allclose(rotate_back(rotated, signs), x, atol=1e-5)


def test_signs_are_the_raw_bits_of_pcg64() -> None:
    # The order is the wire's: both sides have to draw the same.
    word = int(np.random.PCG64(9).random_raw())
    bits = [(word >> (8 * (i // 8) + 7 - i % 8)) & 1 for i in range(64)]

    assert Signs(9).take(64).tolist() == [1.0 - 2.0 * bit for bit in bits]


def shapes_of_data() -> dict[str, Floats]:
    rng = np.random.default_rng(1)
    sparse = np.zeros(3000, np.float32)
    sparse[rng.choice(3000, 30, replace=False)] = rng.standard_normal(30)
    return {
        "normal": rng.standard_normal(3000).astype(np.float32),
        "constant": np.ones(3000, np.float32),
        "sparse": sparse,
        "heavy": rng.standard_t(2, 3000).astype(np.float32),
        "short": rng.standard_normal(100).astype(np.float32),
    }


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("kind", list(shapes_of_data()))
def test_errors_have_the_size_of_the_paper_and_average_out(kind: str, bits: int) -> None:
    # The paper: E ||decoded - x||^2 = (1 / (1 - D) - 1) ||x||^2, and no bias. So the mean over N
    # seeds has 1/N of that; a bias of 6 % of the norm would be seen at one bit and N = 300.
    x, seeds = shapes_of_data()[kind], 300
    codec = Eden(dim_threshold=1, n_bits=bits)
    decoded = [codec.decode(codec.encode({"w": x}, seed=seed))["w"] for seed in range(seeds)]

    expected = 1 / (1 - DISTORTION[bits]) - 1
    if kind == "short":  # 28 of 128 elements are padding, which takes its share of the error along
        expected *= 100 / 128
    square = float(np.square(x).sum())
    single = np.mean([np.square(d - x).sum() for d in decoded]) / square
    mean = np.square(np.mean(decoded, axis=0, dtype=np.float64) - x).sum() / square
    assert single == pytest.approx(expected, rel=0.1)
    assert mean == pytest.approx(single / seeds, rel=0.35)


def test_scale_and_sign_carry_over() -> None:
    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    codec = Eden(n_bits=4)
    plain = codec.decode(codec.encode({"w": x}, seed=1))["w"]
    for factor in (2.0**-100, -(2.0**-20), 2.0**100):
        scaled = codec.decode(codec.encode({"w": x * np.float32(factor)}, seed=1))["w"]
        assert np.array_equal(scaled, plain * np.float32(factor))
