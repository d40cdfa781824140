from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tasks.segmentation.inference import region_logits, region_probabilities, segment
from tasks.segmentation.network import build

SMALL = {"name": "unet", "channels": [4, 8], "stem": 2}


class FirstThree(nn.Module):
    """A network without context: the logits are the first three modalities."""

    stride = 4

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        assert all(size % 4 == 0 for size in image.shape[2:])
        return image[:, :3].clone()


def test_logits_lie_on_the_images_own_grid() -> None:
    image = np.random.default_rng(0).normal(size=(4, 5, 7, 9)).astype(np.float32)
    assert np.array_equal(region_logits(FirstThree(), image).numpy(), image[:3])


def test_a_read_only_image_will_do_and_the_network_is_unchanged() -> None:
    image = np.zeros((4, 8, 8, 8), np.float32)
    image.setflags(write=False)
    network = build(SMALL, 0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first = region_logits(network, image)
    assert torch.equal(first, region_logits(network, image))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.slow
def test_windows_give_what_one_pass_gives_where_context_does_not_matter() -> None:
    image = np.random.default_rng(0).normal(size=(4, 13, 10, 22)).astype(np.float32)
    logits = region_logits(FirstThree(), image, window=(8, 8, 8))
    assert np.allclose(logits.numpy(), image[:3], atol=1e-5)


def test_probabilities_become_labels_on_the_full_grid() -> None:
    logits = torch.full((3, 1, 1, 4), -5.0)
    logits[0, ..., :3] = logits[1, ..., :2] = logits[2, ..., :1] = 5.0
    probabilities = region_probabilities(logits)
    labels = segment(probabilities, (3, 4, 7), (1, 2, 3))
    assert labels.dtype == np.uint8
    assert labels[1, 2].tolist() == [0, 0, 0, 4, 1, 2, 0]
    assert labels.sum() == 7
    assert not segment(probabilities, (1, 1, 4), (0, 0, 0), threshold=0.999).any()
