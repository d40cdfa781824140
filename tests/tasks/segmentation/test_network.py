from __future__ import annotations

import numpy as np
import pytest
import torch

from fl_core.errors import InputError
from tasks.segmentation import recipe
from tasks.segmentation.network import NETWORKS, UNet, build, initial_tensors, padded, stride_of

SMALL = {"name": "unet", "channels": [4, 8], "stem": 2}


def test_the_initial_model_follows_from_the_seed_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one = initial_tensors(SMALL, 3)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    same, other = initial_tensors(SMALL, 3), initial_tensors(SMALL, 4)
    assert {k: v.tobytes() for k, v in one.items()} == {k: v.tobytes() for k, v in same.items()}
    assert any(not np.array_equal(one[name], other[name]) for name in one)
    assert all(value.flags.c_contiguous and value.dtype == np.float32 for value in one.values())


@pytest.mark.parametrize("stem", [1, 2])
def test_logits_have_the_images_grid(stem: int) -> None:
    network = build(SMALL | {"stem": stem}, 0)
    assert stride_of(network) == stem * 2
    assert network(torch.zeros(2, 4, 8, 12, 4)).shape == (2, 3, 8, 12, 4)


def test_an_untrained_network_expects_the_prior() -> None:
    network = build(SMALL | {"prior": [0.1, 0.05, 0.02]}, 0)
    probabilities = network(torch.zeros(1, 4, 16, 16, 16)).sigmoid().mean((0, 2, 3, 4))
    assert torch.allclose(probabilities, torch.tensor([0.1, 0.05, 0.02]), atol=0.02)


def test_folding_keeps_every_voxel_in_its_place() -> None:
    """A network whose output copies folded channels through must give the image back, voxel by voxel."""
    network = UNet(channels=(4,), stem=2)
    network.encoders[0] = torch.nn.Identity()
    network.output = torch.nn.ConvTranspose3d(64, 3, 2, stride=2, bias=False)
    with torch.no_grad():
        network.output.weight.zero_()
        for region in range(3):
            for cell in range(8):
                z, y, x = cell // 4, cell // 2 % 2, cell % 2
                network.output.weight[region * 8 + cell, region, z, y, x] = 1
    image = torch.randn(1, 4, 4, 6, 8)
    assert torch.allclose(network(image), image[:, :3], atol=1e-6)


def test_a_sites_image_does_not_change_another_images_result() -> None:
    network = build(SMALL, 0).train()
    first, second = torch.randn(2, 1, 4, 8, 8, 8)
    alone = network(first)
    network(second)
    assert torch.equal(network(first), alone)
    assert not [name for name, _ in network.named_buffers()]


def test_padding_goes_to_multiples_and_adds_zeros() -> None:
    image = torch.ones(1, 1, 5, 8, 9)
    result = padded(image, 4)
    assert result.shape == (1, 1, 8, 8, 12)
    assert result.sum() == image.sum()
    assert padded(result, 4) is result


def test_an_unknown_network_or_setting_is_named() -> None:
    with pytest.raises(InputError, match="'vnet' is not known; choose one of monai-dynunet"):
        build({"name": "vnet"}, 0)
    with pytest.raises(InputError, match="depth"):
        build(SMALL | {"depth": 3}, 0)


def test_the_recipes_network_builds() -> None:
    parameters = sum(value.size for value in initial_tensors(recipe.NETWORK, 0).values())
    assert 10_000 < parameters < 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("monai-unet", {"channels": [4, 8, 16]}),
        ("monai-segresnet", {"filters": 8}),
        ("monai-dynunet", {"channels": [4, 8, 16]}),
    ],
)
def test_monais_networks_segment_too(name: str, options: dict[str, object]) -> None:
    network = build({"name": name, **options}, 0).eval()
    assert network(padded(torch.zeros(1, 4, 20, 32, 32), stride_of(network))).shape == (1, 3, 32, 32, 32)
    assert set(NETWORKS) >= {name}
