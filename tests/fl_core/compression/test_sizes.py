"""What travels is as small, and as exact, as the table in docs/compression.md says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_core.compression.registry import codec_of
from fl_core.tensors import codec as files

DOCS = Path(__file__).parents[3] / "docs" / "compression.md"
ROW = re.compile(
    r"^\| `(?P<template>[\w.]+)` \|(?P<settings>[^|]*)\| (?P<ratio>[\d.]+) \| (?P<error>[\d.]+) \|"
)


def promised() -> list[tuple[str, dict[str, Any], float, float]]:
    rows = [row for line in DOCS.read_text(encoding="utf-8").splitlines() if (row := ROW.match(line))]
    return [
        (
            row["template"],
            {
                key: float(value) if "." in value else int(value)
                for key, value in settings_of(row["settings"])
            },
            float(row["ratio"]),
            float(row["error"]),
        )
        for row in rows
    ]


def settings_of(text: str) -> list[tuple[str, str]]:
    return re.findall(r"`(\w+): ([\d.]+)`", text)


def test_the_table_has_every_lossy_codec() -> None:
    assert {template.rpartition(".")[2] for template, *_ in promised()} == {
        "Float16",
        "BFloat16",
        "TopK",
        "Ternary",
        "KMeans",
        "SparseKMeans",
        "Eden",
    }


@pytest.mark.parametrize(("template", "settings", "ratio", "error"), promised())
def test_a_codec_keeps_its_promise(
    template: str, settings: dict[str, Any], ratio: float, error: float
) -> None:
    weights = np.random.default_rng(1).standard_normal((700, 1001), dtype=np.float32)
    codec = codec_of(f"fl_core.compression.{template}", settings)

    encoded = codec.encode({"w": weights}, seed=2)
    file = len(files.encode(encoded.tensors, encoded.metadata))
    decoded = np.asarray(codec.decode(encoded)["w"], np.float32)

    assert weights.nbytes / encoded.nbytes == pytest.approx(ratio, rel=0.02)
    assert file - encoded.nbytes <= 600
    measured = np.linalg.norm(decoded - weights) / np.linalg.norm(weights)
    assert measured == pytest.approx(error, rel=0.05)
