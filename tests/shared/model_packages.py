"""Model packages for tests: manifests and folders in a line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import yaml

CODE = {"lane": "code", "module": "model.py"}
ONNX = {"lane": "onnx", "file": "model.onnx", "regions": ["wt", "tc", "et"], "patch": [8, 8, 8]}
WEIGHTS = {
    "lane": "weights",
    "file": "model.safetensors",
    "regions": ["wt", "tc", "et"],
    "network": {"name": "unet", "channels": [4, 8]},
    "patch": [32, 32, 32],
}


def manifest_values(lane: Mapping[str, Any] = CODE, **more: Any) -> dict[str, Any]:
    return {"schema": "model-package/1", "name": "tiny", "team": "blue", "licence": "MIT", **lane, **more}


def write_package(
    folder: Path, files: Mapping[str, str | bytes], lane: Mapping[str, Any] = CODE, **more: Any
) -> Path:
    """Write a manifest and files; text is dedented."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.yaml").write_text(yaml.safe_dump(manifest_values(lane, **more)))
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else dedent(content).encode())
    return folder
