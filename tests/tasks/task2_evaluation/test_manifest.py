from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from model_packages import CODE, ONNX, WEIGHTS, manifest_values

from tasks.task2_evaluation.errors import PackageError
from tasks.task2_evaluation.manifest import parse_manifest


def parsed(values: dict[str, Any], name: str = "package.yaml") -> Any:
    text = json.dumps(values) if name.endswith(".json") else yaml.safe_dump(values)
    return parse_manifest(text.encode(), name)


@pytest.mark.parametrize("name", ["package.yaml", "package.json"])
@pytest.mark.parametrize("lane", [CODE, ONNX, WEIGHTS])
def test_a_manifest_of_each_lane_is_read(lane: dict[str, Any], name: str) -> None:
    manifest = parsed(manifest_values(lane, modalities=["flair", "t1"], spacing=[2, 1.5, 1]), name)

    assert manifest.lane == lane["lane"]
    assert manifest.modalities == ("flair", "t1")
    assert manifest.spacing == (2.0, 1.5, 1.0)
    assert manifest.channels == (0 if lane is CODE else 3)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (manifest_values(licens="x"), "licens is no key; did you mean licence?"),
        (manifest_values(name="../x"), "name: letters, digits"),
        (manifest_values(modalities=["t1", "t1"]), "a modality stands in it twice"),
        (manifest_values(modalities=["pet"]), "modalities.0"),
        (manifest_values(command=["a", "{input}", "{output}"]), "either `module` or `command`"),
        (manifest_values({"lane": "code", "command": ["a"]}), "{input} and {output}"),
        (manifest_values(file="a.onnx"), "file: does not belong to lane code"),
        (manifest_values({**ONNX, "file": "a.pt"}), "needs the name of a .onnx file"),
        (manifest_values(ONNX, labels=[0, 1, 2, 4]), "either `regions` or `labels`"),
        (manifest_values({**ONNX, "regions": ["wt", "tc", "tc"]}), "regions: each of wt, tc, et once"),
        (manifest_values({**ONNX, "regions": None, "labels": [0, 1, 2]}), "labels: each of"),
        (manifest_values({**WEIGHTS, "network": {}}), "network: lane weights needs"),
        (manifest_values(ONNX, patch=[8, 8, 4]), "patch.2"),
        (manifest_values(spacing=[1, 1, float("nan")]), "spacing.2"),
        (manifest_values(schema="model-package/9"), "only model-package/1 is read"),
        ({key: value for key, value in manifest_values().items() if key != "team"}, "team is missing"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(values: dict[str, Any], words: str) -> None:
    with pytest.raises(PackageError) as caught:
        parsed(values)

    assert words in str(caught.value) and str(caught.value).startswith("package.yaml")


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"a: [",
        b"- a",
        b"x: &a [1]\ny: *a",
        b"!!python/object:os.system {}",
        b"[" * 60_000,
        b"- " * 30_000,
        b"x" * 70_000,
    ],
)
def test_bytes_that_are_no_manifest_are_refused(content: bytes) -> None:
    with pytest.raises(PackageError):
        parse_manifest(content, "package.yaml")
