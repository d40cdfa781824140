"""Lane ``weights``: safetensors for an architecture of the harness's zoo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fl_core.errors import InputError
from fl_core.tensors import Tensors
from fl_core.tensors.codec import read_file
from partitions.case import MODALITIES
from tasks.segmentation.inference import region_logits
from tasks.segmentation.network import build
from tasks.segmentation.regions import REGIONS
from tasks.task2_evaluation.case_input import CaseInput, Labels
from tasks.task2_evaluation.errors import PackageError
from tasks.task2_evaluation.lanes.volume import predict_volume
from tasks.task2_evaluation.manifest import Manifest


class WeightsModel:
    """A network of the zoo with the package's weights."""

    def __init__(self, network: nn.Module, manifest: Manifest) -> None:
        self._network = network
        self._manifest = manifest

    def predict(self, case: CaseInput) -> Labels:
        """Return the case's labels."""
        return predict_volume(case, self._manifest, self._logits)

    def _logits(self, image: Tensor) -> Tensor:
        return region_logits(self._network, image.numpy(), window=self._manifest.patch)


def open_model(folder: Path, manifest: Manifest, scratch: Path) -> WeightsModel:
    """Build the architecture and fill it with the package's tensors.

    Args:
        folder: The package.
        manifest: Its manifest.
        scratch: Not used.

    Raises:
        PackageError: No such architecture, a file that is no safetensors, or tensors that are not the
            architecture's by name, shape or type.
    """
    # Now, so that the first large case does not pay for it.
    import monai.inferers.utils  # noqa: F401

    assert manifest.file is not None
    if manifest.regions != tuple(REGIONS) or set(manifest.modalities) != set(MODALITIES):
        raise PackageError(
            f"lane weights: the zoo's networks take {', '.join(MODALITIES)} and have the output channels "
            f"regions: [{', '.join(REGIONS)}]; write so in the manifest"
        )
    torch.use_deterministic_algorithms(True)
    try:
        tensors, _ = read_file(folder / manifest.file)
        network = build(manifest.network or {}, seed=0)
    except InputError as error:
        raise PackageError(f"lane weights: {error}") from error
    network.load_state_dict(_fitting(network, tensors, manifest.file))
    return WeightsModel(network, manifest)


def _fitting(network: nn.Module, tensors: Tensors, file: str) -> dict[str, Any]:
    """Return the tensors as torch's, each the size and type that the architecture has."""
    wanted = network.state_dict()
    for name in sorted(set(wanted) | set(tensors)):
        if name not in tensors:
            raise PackageError(f"{file}: has no tensor {name!r:.100}, which the architecture has")
        if name not in wanted:
            raise PackageError(f"{file}: has a tensor {name!r:.100}, which the architecture lacks")
        here, there = tensors[name], wanted[name]
        if tuple(here.shape) != tuple(there.shape) or here.dtype != there.numpy().dtype:
            raise PackageError(
                f"{file}: tensor {name!r:.100} is {here.dtype} {tuple(here.shape)}, the architecture's is "
                f"{there.numpy().dtype} {tuple(there.shape)}; mend `network` in the manifest"
            )
    return {name: torch.from_numpy(array.copy()) for name, array in tensors.items()}
