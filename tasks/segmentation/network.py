"""The networks: a compact U-Net of our own, and MONAI's by name.

The default is built from plain torch because importing anything of ``monai.networks`` costs three to five
seconds of a demo of three minutes, in every worker. MONAI's networks are a name away where that is no matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fl_core.errors import InputError
from fl_core.seeding import derived_seed
from partitions.case import MODALITIES
from tasks.segmentation.regions import REGIONS

SLOPE = 0.01


class UNet(nn.Module):
    """A 3D U-Net without normalisation whose first layer folds small cubes of voxels into channels.

    Folding (space to depth) keeps every voxel's value but does the convolutions on a grid that is `stem`
    times coarser along each axis, which on a CPU is several times cheaper than convolving at full
    resolution; the output layer unfolds to one logit per voxel and region. It also sees the folded image
    itself, from which it takes the detail within a cube.

    There is no normalisation on purpose. Batch norm would carry one site's statistics into another's model;
    instance and group norm take theirs over the whole input, so that a patch around a tumour and a whole
    brain look different to the network, and every tumour comes out at about the same size. The network is
    shallow and its input has unit variance: weights scaled for the activation (He et al. 2015) are enough.

    Args:
        channels: Features per level, finest first; each a multiple of 4.
        stem: Edge of the folded cubes: 1 (none) or 2.
        prior: Expected fraction of voxels in WT, TC and ET; the output biases start there, so that the
            first steps do not have to unlearn a half-full image (cf. Lin et al. 2017, focal loss, §4.1).
    """

    def __init__(
        self,
        channels: Sequence[int] = (16, 32, 64),
        stem: int = 2,
        prior: Sequence[float] = (0.08, 0.04, 0.03),
    ) -> None:
        super().__init__()
        self.stem = stem
        self.stride = stem * 2 ** (len(channels) - 1)
        inputs = len(MODALITIES) * stem**3
        self.encoders = nn.ModuleList(
            [
                _block(before, after, 2)
                for before, after in zip((inputs, *channels[1:]), channels, strict=True)
            ]
        )
        steps = list(pairwise(channels))
        self.downs = nn.ModuleList([nn.Conv3d(fine, coarse, 2, stride=2) for fine, coarse in steps])
        self.ups = nn.ModuleList([nn.ConvTranspose3d(coarse, fine, 2, stride=2) for fine, coarse in steps])
        self.decoders = nn.ModuleList([_block(fine, fine, 1) for fine, _ in steps])
        self.output = nn.ConvTranspose3d(channels[0] + inputs, len(REGIONS), stem, stride=stem)
        bias = cast(Tensor, self.output.bias)
        with torch.no_grad():
            bias.copy_(torch.logit(torch.tensor(prior)))

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (batch, 3, z, y, x) of an image (batch, 4, z, y, x), sides multiples of `stride`."""
        features = folded = _fold(image, self.stem)
        skips: list[Tensor] = []
        for level, encoder in enumerate(self.encoders):
            features = encoder(features)
            if level < len(self.downs):
                skips.append(features)
                features = self.downs[level](features)
        for level in reversed(range(len(self.ups))):
            features = self.decoders[level](self.ups[level](features) + skips[level])
        return cast(Tensor, self.output(torch.cat([features, folded], dim=1)))


def build(settings: Mapping[str, Any], seed: int) -> nn.Module:
    """Build a network by name, its weights drawn from a generator of their own.

    Args:
        settings: ``name`` (``unet``, ``monai-unet``, ``monai-segresnet``, ``monai-dynunet``) and that
            network's own settings.
        seed: Seed of the weights; torch's global generator is left as it was.

    Raises:
        InputError: No such network, or a setting that it does not take.

    Example:
        >>> sum(p.numel() for p in build({"name": "unet", "channels": (4, 8)}, seed=0).parameters()) > 1000
        True
    """
    options = {key: value for key, value in settings.items() if key != "name"}
    name = settings.get("name", "unet")
    if name not in NETWORKS:
        raise InputError(f"network.name: {name!r} is not known; choose one of {', '.join(sorted(NETWORKS))}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "initial model"))
        try:
            network = NETWORKS[name](**options)
        except (TypeError, ValueError, RuntimeError, ZeroDivisionError) as error:
            raise InputError(f"network {name}: {error}; mend `network` in the configuration") from error
    # Convolutions on a CPU take a third less time in this layout; the values are the same.
    return cast(nn.Module, network.to(memory_format=torch.channels_last_3d))  # type: ignore[call-overload]


def initial_tensors(settings: Mapping[str, Any], seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of a freshly built network: the same for the same settings and seed.

    Args:
        settings: As for `build`.
        seed: The run's seed.
    """
    return {name: value.numpy().copy(order="C") for name, value in build(settings, seed).state_dict().items()}


def stride_of(network: nn.Module) -> int:
    """Return what the sides of an image must be multiples of."""
    return int(getattr(network, "stride", 16))


def padded(image: Tensor, stride: int) -> Tensor:
    """Pad the ends of (…, z, y, x) with zeros to multiples of `stride`."""
    missing = [-size % stride for size in image.shape[-3:]]
    if not any(missing):
        return image
    return functional.pad(image, (0, missing[2], 0, missing[1], 0, missing[0]))


def _block(before: int, after: int, convolutions: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index in range(convolutions):
        convolution = nn.Conv3d(after if index else before, after, 3, padding=1)
        nn.init.kaiming_normal_(convolution.weight, a=SLOPE)
        nn.init.zeros_(cast(Tensor, convolution.bias))
        layers.append(convolution)
        layers.append(nn.LeakyReLU(SLOPE, inplace=True))
    return nn.Sequential(*layers)


def _fold(image: Tensor, edge: int) -> Tensor:
    if edge == 1:
        return image
    batch, channels, z, y, x = image.shape
    cubes = image.reshape(batch, channels, z // edge, edge, y // edge, edge, x // edge, edge)
    return cubes.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(
        batch, channels * edge**3, z // edge, y // edge, x // edge
    )


def _unet(**options: Any) -> nn.Module:
    return UNet(**options)


def _monai_unet(channels: Sequence[int] = (16, 32, 64, 128), residual_units: int = 2) -> nn.Module:
    from monai.networks.nets.unet import UNet as MonaiUNet

    network: nn.Module = MonaiUNet(
        spatial_dims=3,
        in_channels=len(MODALITIES),
        out_channels=len(REGIONS),
        channels=tuple(channels),
        strides=(2,) * (len(channels) - 1),
        num_res_units=residual_units,
        norm="instance",
    )
    return network


def _monai_segresnet(filters: int = 16) -> nn.Module:
    from monai.networks.nets.segresnet import SegResNet

    network: nn.Module = SegResNet(
        spatial_dims=3, init_filters=filters, in_channels=len(MODALITIES), out_channels=len(REGIONS)
    )
    return network


def _monai_dynunet(channels: Sequence[int] = (32, 64, 128, 256)) -> nn.Module:
    from monai.networks.nets.dynunet import DynUNet

    levels = len(channels)
    network: nn.Module = DynUNet(
        spatial_dims=3,
        in_channels=len(MODALITIES),
        out_channels=len(REGIONS),
        kernel_size=[3] * levels,
        strides=[1] + [2] * (levels - 1),
        upsample_kernel_size=[2] * (levels - 1),
        filters=list(channels),
        norm_name="instance",
    )
    return network


NETWORKS: Mapping[str, Callable[..., nn.Module]] = {
    "unet": _unet,
    "monai-unet": _monai_unet,
    "monai-segresnet": _monai_segresnet,
    "monai-dynunet": _monai_dynunet,
}
"""The zoo: network constructors by name."""
