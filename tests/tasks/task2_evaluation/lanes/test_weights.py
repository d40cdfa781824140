"""Lane weights: tensors that are the architecture's, and the same labels as the harness's own inference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_packages import WEIGHTS, manifest_values

from fl_core.durable import Disk
from fl_core.tensors.codec import write_file
from partitions.case import MODALITIES
from tasks.segmentation.inference import region_logits, region_probabilities, segment
from tasks.segmentation.network import build, initial_tensors
from tasks.segmentation.preprocessing import crop_and_normalise
from tasks.task2_evaluation.case_input import CaseInput
from tasks.task2_evaluation.errors import PackageError
from tasks.task2_evaluation.lanes.weights import open_model
from tasks.task2_evaluation.manifest import Manifest

NETWORK = WEIGHTS["network"]


def manifest(**more: Any) -> Manifest:
    return Manifest.model_validate(manifest_values(WEIGHTS, **more))


def saved(folder: Path, change: Any = lambda tensors: None) -> Path:
    tensors = initial_tensors(NETWORK, seed=7)  # type: ignore[arg-type]
    tensors["output.bias"] += 1.5
    change(tensors)
    write_file(folder / "model.safetensors", tensors, disk=Disk())
    return folder


@pytest.mark.parametrize("patch", [[32, 32, 32], [8, 16, 8]])
def test_labels_are_those_of_the_harnesss_own_inference(tmp_path: Path, patch: list[int]) -> None:
    draw = np.random.default_rng(8)
    images = {name: draw.uniform(1, 9, (9, 18, 12)).astype(np.float32) for name in MODALITIES}
    case = CaseInput("case-0001", images, (1.0,) * 3, (0.0,) * 3, (1.0, 0, 0, 0, 1, 0, 0, 0, 1))
    model = open_model(saved(tmp_path), manifest(patch=patch), tmp_path)

    network = build(NETWORK, seed=7)  # type: ignore[arg-type]
    network.output.bias.data += 1.5  # type: ignore[union-attr, operator]
    prepared = crop_and_normalise(case.volumes())
    probabilities = region_probabilities(region_logits(network, prepared.image, window=patch))
    expected = segment(probabilities, case.shape, prepared.offset)
    assert len(np.unique(expected)) > 1
    assert np.array_equal(model.predict(case), expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("output.bias"), "has no tensor 'output.bias'"),
        (lambda t: t.update(evil=np.zeros(1, np.float32)), "has a tensor 'evil'"),
        (lambda t: t.update({"output.bias": np.zeros(4, np.float32)}), r"is float32 \(4,\)"),
        (lambda t: t.update({"output.bias": np.zeros(3)}), "is float64"),
    ],
)
def test_tensors_that_are_not_the_architectures_are_refused(tmp_path: Path, change: Any, words: str) -> None:
    with pytest.raises(PackageError, match=words):
        open_model(saved(tmp_path, change), manifest(), tmp_path)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"network": {"name": "resnet"}}, "'resnet' is not known"),
        ({"network": {"name": "unet", "layers": 3}}, "layers"),
        ({"regions": ["et", "tc", "wt"]}, "zoo's networks take"),
        ({"modalities": ["t1"]}, "zoo's networks take"),
    ],
)
def test_an_architecture_that_is_not_in_the_zoo_is_refused(
    tmp_path: Path, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(PackageError, match=words):
        open_model(saved(tmp_path), manifest(**more), tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"\xff" * 64])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)

    with pytest.raises(PackageError):
        open_model(tmp_path, manifest(), tmp_path)
