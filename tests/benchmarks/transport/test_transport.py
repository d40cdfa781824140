"""The benchmark of the transport, on a case small enough for a test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.transport.__main__ import Case, main
from benchmarks.transport.floor import in_place_mean
from benchmarks.transport.whole import WholeMean
from benchmarks.transport.workspaces import TENSORS, random_model, shapes
from fl_core.aggregation.base import SiteUpdate
from fl_core.aggregation.weighted_mean import WeightedMean


def test_the_model_has_sixty_random_tensors() -> None:
    model = random_model(100_003)
    assert len(model) == TENSORS == 60
    assert sum(array.size for array in model.values()) == 100_003
    assert all(array.dtype == np.float32 for array in model.values())
    assert len({array.tobytes()[:64] for array in model.values()}) == 60
    assert {name: list(array.shape) for name, array in model.items()} == shapes(100_003)


def test_the_function_that_needs_all_updates_gives_the_mean() -> None:
    model = random_model(600)
    updates = [SiteUpdate(site, {n: v + k for n, v in model.items()}, k) for k, site in enumerate("abc", 1)]
    whole, mean = WholeMean()(model, updates), WeightedMean()(model, updates)
    assert all(whole[name].tobytes() == mean[name].tobytes() for name in model)


def test_the_mean_alone_takes_time() -> None:
    assert 0 < in_place_mean(4096, 3, 1) < 1


@pytest.mark.slow
def test_a_report_has_every_case_beside_its_floor(tmp_path: Path) -> None:
    assert main(["--json", str(tmp_path / "r.json"), "--rounds", "3"], [Case("2x60k", 2, 60_000)]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    cases = {case["case"]: case for case in report["cases"]}
    assert list(cases) == ["2x60k", "memory-2x60k", "memory-whole-2x60k"]
    assert cases["memory-2x60k"]["reference_value"] == 3.0
    assert cases["memory-whole-2x60k"]["reference_value"] == 4.0
    assert cases["2x60k"]["ratio"] == pytest.approx(
        cases["2x60k"]["value"] / cases["2x60k"]["reference_value"]
    )
    assert cases["2x60k"]["value"] > 0
