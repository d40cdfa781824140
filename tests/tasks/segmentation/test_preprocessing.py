from __future__ import annotations

import numpy as np
import pytest

from partitions.case import MODALITIES
from partitions.errors import DataError
from partitions.reader import CaseVolumes
from tasks.segmentation.preprocessing import crop_and_normalise, even_out


def volumes(stack: np.ndarray) -> CaseVolumes:
    images = dict(zip(MODALITIES, stack.astype(np.float32), strict=True))
    return CaseVolumes(images, None, (3.0, 3.0, 3.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))


def test_the_brain_is_cropped_and_standardised() -> None:
    stack = np.zeros((4, 10, 11, 12))
    stack[:, 2:7, 3:9, 4:6] = np.random.default_rng(0).normal(100, 20, (4, 5, 6, 2))
    stack[2, 8, 4, 5] = 50.0  # seen by T2 alone, so part of the brain
    prepared = crop_and_normalise(volumes(stack))
    assert prepared.image.shape == (4, 7, 6, 2)
    assert prepared.image.dtype == np.float32
    assert prepared.offset == (2, 3, 4)
    inside = (stack != 0).any(axis=0)[2:9, 3:9, 4:6]
    for channel in prepared.image:
        assert abs(channel[inside].mean()) < 1e-6
        assert abs(channel[inside].std() - 1) < 1e-6
        assert not channel[~inside].any()


def test_scanner_units_do_not_matter() -> None:
    stack = np.zeros((4, 6, 6, 6))
    stack[:, 1:5, 1:5, 1:5] = np.random.default_rng(1).normal(100, 20, (4, 4, 4, 4))
    scaled = stack * np.array([2, 0.5, 7, 1e3])[:, None, None, None]
    one, other = crop_and_normalise(volumes(stack)), crop_and_normalise(volumes(scaled))
    assert np.allclose(one.image, other.image, atol=1e-4)


def test_a_constant_modality_becomes_zero() -> None:
    stack = np.zeros((4, 5, 5, 5))
    stack[:, 1:4, 1:4, 1:4] = 7
    assert not crop_and_normalise(volumes(stack)).image.any()


def test_an_empty_case_is_refused() -> None:
    with pytest.raises(DataError, match="no brain"):
        crop_and_normalise(volumes(np.zeros((4, 3, 3, 3))))


def test_a_bias_field_is_taken_out() -> None:
    rng = np.random.default_rng(2)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, 20),) * 3, indexing="ij")
    inside = z**2 + y**2 + x**2 < 0.9
    tissue = np.where(rng.random(inside.shape) < 0.5, 80.0, 100.0) * inside
    field = np.exp(0.4 * x - 0.3 * y * z + 0.2 * z**2)
    stack = np.stack([tissue * field] * 4).astype(np.float32)
    evened = even_out(stack, inside)
    ratio = (evened[0] / np.maximum(tissue, 1))[inside]
    assert ratio.std() / ratio.mean() < 0.02
    assert (field[inside] / field[inside].mean()).std() > 0.15
    assert not evened[:, ~inside].any()


def test_a_bright_lesion_stays_bright() -> None:
    stack = np.full((4, 20, 20, 20), 100, np.float32)
    stack[:, 4:10, 4:10, 4:10] = 180
    evened = even_out(stack, np.ones((20, 20, 20), bool))
    assert evened[0, 4:10, 4:10, 4:10].mean() / evened[0, 12:, 12:, 12:].mean() > 1.7


def test_values_below_zero_are_no_raw_intensities() -> None:
    stack = np.random.default_rng(3).normal(0, 1, (4, 5, 5, 5)).astype(np.float32)
    assert np.array_equal(even_out(stack, np.ones((5, 5, 5), bool)), stack)
