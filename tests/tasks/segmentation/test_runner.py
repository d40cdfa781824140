from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fl_core.errors import InputError
from fl_core.task_runner.base import TaskContext
from tasks.segmentation.metrics.score import COLUMNS
from tasks.segmentation.network import initial_tensors
from tasks.segmentation.runner import SegmentationSource, open_source
from tasks.segmentation.work import batches_per_epoch

NETWORK = {"name": "unet", "channels": [4, 8], "stem": 2}
TRAINING: dict[str, Any] = {"patch": [8, 8, 8], "batch_size": 2, "patches_per_case": 2, "learning_rate": 0.01}
GRID, OFFSET, CROP = (14, 16, 15), (2, 3, 1), (10, 11, 9)


def write_entry(folder: Path, seed: int) -> str:
    """A case whose labels can be read off the modalities, so that a network can learn it."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(GRID, np.uint8)
    corner = np.array(OFFSET) + rng.integers(0, 4, 3)
    for size, label in ((6, 2), (4, 4), (2, 1)):
        low = corner + (6 - size) // 2
        labels[tuple(slice(a, a + size) for a in low)] = label
    box = tuple(slice(o, o + n) for o, n in zip(OFFSET, CROP, strict=True))
    image = rng.normal(0, 0.3, (4, *CROP)).astype(np.float32)
    for channel, label in enumerate((1, 2, 4)):
        image[channel] += 3 * (labels[box] == label)
    folder.mkdir(parents=True)
    np.save(folder / "image.npy", image)
    np.save(folder / "labels.npy", labels)
    meta = {"case": folder.name, "full_shape": GRID, "offset": OFFSET, "spacing": [3.0, 3.0, 3.0]}
    (folder / "meta.json").write_text(json.dumps(meta))
    return str(folder)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("cache")
    paths = [write_entry(root / f"case-{i}", i) for i in range(7)]
    sites = {
        "1": {"train": paths[:3], "validate": paths[3:5], "test": paths[5:6]},
        "2": {"train": paths[6:], "validate": paths[5:6]},
    }
    return {"sites": sites, "network": NETWORK, "training": TRAINING, "device": "cpu", "seed": 0}


@pytest.fixture
def source(settings: dict[str, Any]) -> SegmentationSource:
    return open_source(settings)


def trained(source: SegmentationSource, site: str, **given: Any) -> dict[str, bytes]:
    runner = source.open(site)
    runner.load(initial_tensors(NETWORK, 0))
    runner.train(TaskContext(0, site, 0, {"learning_rate": 0.01, "epochs": 1, **given}))
    return {name: value.tobytes() for name, value in runner.tensors().items()}


def test_a_site_trains_the_same_whichever_site_came_before(source: SegmentationSource) -> None:
    alone = trained(source, "1")
    trained(source, "2")
    torch.manual_seed(99)
    assert trained(source, "1") == alone
    assert trained(source, "2") != alone


def test_round_and_seed_choose_the_patches(source: SegmentationSource) -> None:
    results = set()
    for seed, round_ in ((0, 0), (0, 1), (1, 0)):
        runner = source.open("1")
        runner.load(initial_tensors(NETWORK, 0))
        runner.train(TaskContext(seed, "1", round_, {"learning_rate": 0.01, "batches": 1}))
        results.add(runner.tensors()["output.weight"].tobytes())
    assert len(results) == 3


def test_training_does_the_work_that_the_clock_charges(source: SegmentationSource) -> None:
    runner = source.open("1")
    done: list[int] = []
    original = runner.optimizer.step
    runner.optimizer.step = lambda *a, **k: (done.append(1), original(*a, **k))[1]  # type: ignore[method-assign]
    per_epoch = batches_per_epoch(3, TRAINING)
    output = runner.train(TaskContext(0, "1", 0, {"learning_rate": 0.01, "epochs": 1.5}))
    assert (per_epoch, len(done)) == (3, 5)
    assert output.samples == 3
    assert set(output.metrics) == {"loss", "train_dice"}


def test_a_rounds_epochs_win_over_configured_batches(settings: dict[str, Any]) -> None:
    fixed = open_source({**settings, "training": {**TRAINING, "batches": 1}})
    assert trained(fixed, "1", epochs=1) == trained(open_source(settings), "1", epochs=1)
    assert trained(fixed, "1", epochs=None) == trained(open_source(settings), "1", batches=1)


def test_the_rate_rises_then_falls(source: SegmentationSource) -> None:
    settings = {"learning_rate": 1.0, "warmup_steps": 3, "cooldown": 0.2, "batches": 8}
    context = TaskContext(0, "1", 0, settings)
    rates = [source.open("1").learning_rate(context, step) for step in range(8)]
    assert rates == pytest.approx([0.25, 0.5 * 0.9, 0.75 * 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])


def test_the_network_learns(source: SegmentationSource) -> None:
    runner = source.open("1")
    runner.load(initial_tensors(NETWORK, 0))
    before = runner.validate(TaskContext(0, "1", 0)).metrics
    runner.train(TaskContext(0, "1", 0, {"learning_rate": 0.03, "batches": 100}))
    after = runner.validate(TaskContext(0, "1", 1)).metrics
    assert max(before[f"dice_{region}"] for region in ("wt", "tc", "et")) < 0.3
    assert after["valid_loss"] < before["valid_loss"] / 2
    assert min(after[f"dice_{region}"] for region in ("wt", "tc", "et")) > 0.5


def test_validation_reports_the_agreed_metrics_and_changes_nothing(source: SegmentationSource) -> None:
    runner = source.open("1")
    runner.load(initial_tensors(NETWORK, 0))
    before = {name: value.tobytes() for name, value in runner.tensors().items()}
    output = runner.validate(TaskContext(0, "1", 0))
    assert set(output.metrics) == {
        "valid_loss",
        *(f"dice{region}" for region in ("", "_wt", "_tc", "_et")),
        "valid_dice",
        *(f"valid_dice_per_label_{label}" for label in (0, 1, 2, 4)),
    }
    assert (output.samples, output.rows) == (2, ())
    assert {name: value.tobytes() for name, value in runner.tensors().items()} == before


def test_the_test_split_gives_a_row_a_case(source: SegmentationSource) -> None:
    runner = source.open("1")
    runner.load(initial_tensors(NETWORK, 0))
    asked = {"split": "test", "hausdorff": True, "rows": True}
    output = runner.validate(TaskContext(0, "1", 0, asked))
    [row] = output.rows
    assert list(row) == ["case", "status", *COLUMNS]
    assert (row["case"], row["status"], output.samples) == ("case-5", "ok", 1)
    assert output.metrics["dice_wt"] == pytest.approx(row["dice_wt"])
    assert output.metrics["hd95_et"] == pytest.approx(row["hd95_et"])
    assert "valid_hd95_per_label_2" in output.metrics


def test_metrics_are_means_over_cases(source: SegmentationSource) -> None:
    runner = source.open("1")
    runner.load(initial_tensors(NETWORK, 0))
    runner.train(TaskContext(0, "1", 0, {"learning_rate": 0.03, "batches": 20}))
    output = runner.validate(TaskContext(0, "1", 0, {"rows": True}))
    assert output.metrics["dice_wt"] == pytest.approx(np.mean([float(row["dice_wt"]) for row in output.rows]))


def test_what_is_not_there_is_named(
    source: SegmentationSource, settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="site '9' has no data here"):
        source.open("9")
    with pytest.raises(InputError, match="site 2 has no case to test"):
        source.open("2").validate(TaskContext(0, "2", 0, {"split": "test"}))
    with pytest.raises(InputError, match="split 'all' is not known"):
        source.open("2").validate(TaskContext(0, "2", 0, {"split": "all"}))
    with pytest.raises(InputError, match="epochs must be a finite number above 0"):
        source.open("1").train(TaskContext(0, "1", 0, {"learning_rate": 0.1, "epochs": -1}))
    with pytest.raises(InputError, match="not a preprocessed case"):
        open_source({**settings, "sites": {"1": {"train": [str(tmp_path)]}}}).open("1")
    with pytest.raises(InputError, match="optimizer: 'lion' is not known"):
        open_source({**settings, "training": {"optimizer": "lion"}}).open("1")
    with pytest.raises(InputError, match="unknown training setting 'patchsize'"):
        open_source({**settings, "training": {"patchsize": 3}})


@pytest.mark.slow
def test_another_process_ends_with_the_same_bytes(
    settings: dict[str, Any], source: SegmentationSource
) -> None:
    code = (
        "import hashlib, json, sys\n"
        "from fl_core.task_runner.base import TaskContext\n"
        "from tasks.segmentation.network import initial_tensors\n"
        "from tasks.segmentation.runner import open_source\n"
        "settings = json.load(sys.stdin)\n"
        "runner = open_source(settings).open('1')\n"
        "runner.load(initial_tensors(settings['network'], 0))\n"
        "runner.train(TaskContext(0, '1', 0, {'learning_rate': 0.01, 'epochs': 1}))\n"
        "arrays = runner.tensors()\n"
        "print(hashlib.sha256(b''.join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest())\n"
    )
    trained(source, "2")
    here = trained(source, "1")
    digest = hashlib.sha256(b"".join(here[name] for name in sorted(here))).hexdigest()
    for threads in ("1", "2"):
        answer = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(settings),
            env={**os.environ, "OMP_NUM_THREADS": threads, "PYTHONHASHSEED": threads},
            capture_output=True,
            text=True,
            check=True,
        )
        assert answer.stdout.strip() == digest
