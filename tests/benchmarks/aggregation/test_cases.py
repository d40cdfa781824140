"""The aggregation benchmark on small work."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.aggregation.__main__ import CASES, main
from benchmarks.aggregation.mean import in_place_mean, mean_case
from benchmarks.aggregation.memory import memory_case
from benchmarks.aggregation.work import TENSORS, Work
from fl_core.aggregation.weighted_mean import WeightedMean

SMALL = Work(3, 60_007)


def test_the_work_is_what_its_name_says() -> None:
    updates = Work(4, 60_007).updates()

    assert [update.samples for update in updates] == [1, 2, 3, 4]
    for update in updates:
        assert len(update.tensors) == TENSORS
        assert sum(array.size for array in update.tensors.values()) == 60_007
        assert {array.dtype for array in update.tensors.values()} == {np.dtype(np.float32)}
    assert not np.array_equal(updates[0].tensors["t00"], updates[1].tensors["t00"])
    assert Work(4, 33_000_000).name == "4x33M"


def test_the_floor_is_the_same_mean_in_less_precision() -> None:
    updates = SMALL.updates()

    floor = in_place_mean(updates)()

    ours = WeightedMean()(updates[0].tensors, updates)
    for name, array in ours.items():
        assert floor[name].dtype == array.dtype
        np.testing.assert_allclose(floor[name], array, rtol=1e-5, atol=1e-6)


def test_the_report_holds_each_case_against_its_reference(tmp_path: Path) -> None:
    cases = (lambda repeats: mean_case(SMALL, repeats), lambda repeats: memory_case(SMALL, 1))

    assert main(["--json", str(tmp_path / "a.json"), "--repeats", "2"], cases) == 0

    report = json.loads((tmp_path / "a.json").read_text())
    assert report["name"] == "aggregation" and report["machine"]["cores"] >= 1
    mean, memory = report["cases"]
    assert (mean["case"], mean["unit"]) == ("mean-3x60007", "s")
    assert mean["ratio"] == pytest.approx(mean["value"] / mean["reference_value"])
    assert (memory["case"], memory["unit"], memory["reference_value"]) == ("memory-mean-3x60007", "models", 1)


def test_memory_is_that_of_one_model_and_some_tensors() -> None:
    # 16 MiB a model: beside it the sums' scratch and, of each of two threads, a tensor of each site.
    assert 0.9 <= memory_case(Work(8, 4 * 2**20), 1).value <= 2.5


@pytest.mark.slow
def test_the_cases_are_those_that_readers_rely_on(tmp_path: Path) -> None:
    assert main(["--json", str(tmp_path / "a.json"), "--repeats", "1"]) == 0

    report = json.loads((tmp_path / "a.json").read_text())
    assert [case["case"] for case in report["cases"]] == ["mean-4x33M", "memory-mean-16x8M"]
    assert len(CASES) == 2
