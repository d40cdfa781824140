"""From images to a network and back: order of channels, spacing, and the case's own grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from model_packages import ONNX, manifest_values
from torch import Tensor

from partitions.case import MODALITIES
from partitions.errors import DataError
from tasks.segmentation.preprocessing import crop_and_normalise
from tasks.task2_evaluation.case_input import CaseInput
from tasks.task2_evaluation.lanes.volume import labels_of, predict_volume, resampled, resampled_size
from tasks.task2_evaluation.manifest import Manifest

SPACING = (3.0, 1.0, 2.0)


def manifest(**more: Any) -> Manifest:
    return Manifest.model_validate(manifest_values(ONNX, **more))


@pytest.fixture
def case() -> CaseInput:
    draw = np.random.default_rng(4)
    images = {}
    for name in MODALITIES:
        image = np.zeros((9, 16, 12), np.float32)
        image[2:8, 3:15, 1:11] = draw.uniform(50, 150, (6, 12, 10))
        images[name] = image
    return CaseInput("case-0001", images, SPACING, (0.0,) * 3, (1.0, 0, 0, 0, 1, 0, 0, 0, 1))


def test_the_channels_come_in_the_order_of_the_manifest(case: CaseInput) -> None:
    seen: list[Tensor] = []

    def network(image: Tensor) -> Tensor:
        seen.append(image)
        return torch.zeros(3, *image.shape[1:])

    predict_volume(case, manifest(modalities=["flair", "t1"]), network)

    prepared = crop_and_normalise(case.volumes()).image
    assert np.array_equal(seen[0].numpy(), prepared[[3, 0]])


def test_a_prediction_lies_where_the_brain_is(case: CaseInput) -> None:
    labels = predict_volume(case, manifest(), lambda image: torch.ones(3, *image.shape[1:]))

    assert labels.shape == (9, 16, 12) and labels.dtype == np.uint8
    assert (labels[2:8, 3:15, 1:11] == 4).all() and (labels == 4).sum() == 6 * 12 * 10


def test_a_model_sees_the_spacing_that_it_was_made_for(case: CaseInput) -> None:
    seen: list[Any] = []

    def network(image: Tensor) -> Tensor:
        seen.append(tuple(image.shape))
        half = torch.arange(image.shape[1]) < image.shape[1] / 2
        return torch.where(half, 1.0, -1.0)[None, :, None, None].expand(3, *image.shape[1:])

    labels = predict_volume(case, manifest(spacing=[1, 1, 1]), network)

    assert seen == [(4, 18, 12, 20)]
    # The lower half of 18 fine slices is the lower half of 6 coarse ones.
    assert (labels[2:5, 3:15, 1:11] == 4).all() and (labels == 4).sum() == 3 * 12 * 10


@pytest.mark.parametrize(
    ("regions", "expected"), [(["wt", "tc", "et"], [0, 2, 1, 4]), (["et", "wt", "tc"], [0, 0, 2, 4])]
)
def test_regions_are_taken_in_the_manifests_order(regions: list[str], expected: list[int]) -> None:
    logits = torch.tensor([[-1.0, 1, 1, 1], [-1, -1, 1, 1], [-1, -1, -1, 1]]).reshape(3, 1, 1, 4)

    assert labels_of(logits, manifest(regions=regions)).ravel().tolist() == expected


def test_of_labels_the_largest_wins() -> None:
    logits = torch.tensor([[9.0, 0, 0, 0], [0, 9, 0, 0], [0, 0, 9, 0], [0, 0, 0, 9]]).reshape(4, 1, 1, 4)
    chosen = labels_of(logits, manifest(regions=None, labels=[0, 4, 2, 1]))

    assert chosen.ravel().tolist() == [0, 4, 2, 1]


def test_resampling_keeps_a_slope() -> None:
    slope = torch.arange(8.0)[None, :, None, None].expand(1, 8, 4, 4)
    fine = resampled(slope, (16, 4, 4))

    # Centres of the fine voxels lie a quarter of a coarse one off.
    assert fine[0, 1:-1, 0, 0].tolist() == [(n + 0.5) / 2 - 0.5 for n in range(1, 15)]
    assert torch.equal(resampled(fine, (8, 4, 4))[:, 1:-1], slope[:, 1:-1])


def test_sizes_follow_the_spacing() -> None:
    assert resampled_size((10, 10, 10), (1.0004, 2.0, 0.1), (1.0, 1.0, 5.0)) == (10, 20, 1)


def test_an_output_of_another_size_is_no_prediction(case: CaseInput) -> None:
    with pytest.raises(ValueError, match="expected are"):
        predict_volume(case, manifest(), lambda image: torch.zeros(2, *image.shape[1:]))


def test_a_volume_that_becomes_too_large_is_refused(case: CaseInput) -> None:
    case = CaseInput(case.name, case.images, (20.0, 20.0, 20.0), case.origin, case.direction)
    with pytest.raises(DataError, match="voxels, more than"):
        predict_volume(case, manifest(spacing=[0.1, 0.1, 0.1]), lambda image: image)
