"""The templates, carried out: two collaborators, each with its shard, and a model that learns."""

from __future__ import annotations

import gzip
import logging
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plan_run import PlanRun, run_plan

from fl_core.durable import Disk
from fl_core.errors import InputError
from fl_core.tensors.digest import digest
from fl_core.workspace.code import import_code
from fl_core.workspace.initialise import initialise
from fl_core.workspace.layout import Workspace
from fl_core.workspace.templates import create_workspace

SHARDS = {"one": "1", "two": "2"}
VALIDATION = "aggregated_model_validation"


@pytest.fixture(autouse=True)
def no_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MNIST_DIR", raising=False)


def made(tmp_path: Path, name: str) -> Workspace:
    workspace = create_workspace(tmp_path / name, name, Disk())
    initialise(workspace, address="localhost", disk=Disk())
    return workspace


def mean(run: PlanRun, round: int, metric: str) -> float:
    return float(np.mean([run.metrics[round][site, VALIDATION][metric] for site in SHARDS]))


def test_plus_one_ends_at_the_number_of_rounds(tmp_path: Path) -> None:
    workspace = made(tmp_path, "numpy_plus_one")

    run = run_plan(workspace.root, {"a": "", "b": "", "c": ""})

    assert {name: set(array.ravel().tolist()) for name, array in run.model.items()} == {
        "bias": {3.0},
        "weight": {3.0},
    }
    assert digest(run.model) == digest(run_plan(workspace.root, {"a": "", "b": "", "c": ""}, workers=2).model)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch_cnn_mnist", "torch_compressed", "torch_straggler"])
def test_a_network_learns_the_digits(name: str, tmp_path: Path) -> None:
    workspace = made(tmp_path, name)

    run = run_plan(workspace.root, SHARDS, rounds=4)

    assert mean(run, 0, "accuracy") < 0.3
    assert mean(run, 3, "accuracy") > 0.6


@pytest.mark.slow
def test_workers_give_the_same_bytes_and_the_same_seed_the_same_start(tmp_path: Path) -> None:
    one, two = (made(tmp_path / name, "torch_cnn_mnist") for name in ("one", "two"))

    runs = [run_plan(one.root, SHARDS, rounds=1, workers=n) for n in (1, 2)]
    runs.append(run_plan(two.root, SHARDS, rounds=1))

    assert len({digest(run.model) for run in runs}) == 1


@pytest.mark.slow
def test_evaluation_trains_nothing(tmp_path: Path) -> None:
    workspace = made(tmp_path, "torch_evaluation_only")

    run = run_plan(workspace.root, SHARDS)

    assert len(run.metrics) == 1 and set(run.metrics[0]) == {(site, VALIDATION) for site in SHARDS}
    assert 0 <= mean(run, 0, "accuracy") <= 1


@pytest.mark.slow
def test_the_phantom_is_segmented(tmp_path: Path) -> None:
    workspace = made(tmp_path, "torch_unet_phantom")

    run = run_plan(workspace.root, SHARDS, rounds=3)

    assert mean(run, 2, "valid_loss") < mean(run, 0, "valid_loss")
    assert np.isfinite(mean(run, 2, "dice"))
    with pytest.raises(InputError, match="institutions 1 to 6"):
        run_plan(workspace.root, {"one": "9"}, rounds=1)


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("keras") is None, reason="Keras is not installed (pip install 'fedbrats[keras]')"
)
def test_the_papers_plan_trains_a_keras_network(tmp_path: Path) -> None:
    workspace = made(tmp_path, "keras_cnn_mnist")

    run = run_plan(workspace.root, SHARDS, rounds=6)

    assert mean(run, 5, "accuracy") > mean(run, 0, "accuracy") + 0.2
    assert digest(run.model) == digest(run_plan(workspace.root, SHARDS, rounds=6, workers=2).model)


def shard(tmp_path: Path, path: str, count: int = 2) -> Any:
    root = tmp_path / "w"
    if not root.exists():
        create_workspace(root, "torch_cnn_mnist", Disk())
    import_code(root)
    return __import__("src.mnist", fromlist=["Shard"]).Shard(path, collaborator_count=count)


def test_shards_divide_the_digits_and_the_log_says_which(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        shards = [shard(tmp_path, str(i), count=3) for i in (1, 2, 3)]

    assert "scikit-learn's digits are used instead" in caplog.text
    labels = [np.concatenate([s.train_labels, s.valid_labels]) for s in shards]
    assert sum(map(len, labels)) == 1797
    assert all(set(found) == set(range(10)) for found in labels)
    for one in shards:
        assert one.train_images.shape[1:] == (28, 28) and one.train_images.dtype == np.float32
        assert (one.train_images.min(), one.train_images.max()) == (0.0, 1.0)
        assert 0.15 < len(one.valid_labels) / len(one.train_labels) < 0.3
    with pytest.raises(InputError, match=r"-d 4: there are shards 1 to 3"):
        shard(tmp_path, "4", count=3)
    with pytest.raises(InputError, match="-d /data"):
        shard(tmp_path, "/data")


@pytest.mark.parametrize("form", ["raw", "gz", "npz"])
def test_mnist_is_taken_where_the_user_has_it(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    labels = np.arange(20, dtype=np.uint8) % 10
    folder = tmp_path / "mnist"
    folder.mkdir()
    if form == "npz":
        np.savez(folder / "mnist.npz", x_train=images, y_train=labels, x_test=images[:1], y_test=labels[:1])
    else:
        write_idx(folder, {"images-idx3": (16, images), "labels-idx1": (8, labels)}, packed=form == "gz")
    monkeypatch.setenv("MNIST_DIR", str(folder))

    with caplog.at_level(logging.INFO):
        one, two = shard(tmp_path, "1"), shard(tmp_path, "2")

    assert f"MNIST from {folder}" in caplog.text
    assert np.array_equal(two.valid_images[0], images[1] / np.float32(255))
    assert one.valid_labels.tolist() == [0, 0] and one.train_labels.tolist() == [2, 4, 6, 8, 2, 4, 6, 8]


def write_idx(folder: Path, files: Mapping[str, tuple[int, Any]], *, packed: bool) -> None:
    for kind, (header, array) in files.items():
        content = bytes(header) + array.tobytes()
        name = f"train-{kind}-ubyte" + (".gz" if packed else "")
        (folder / name).write_bytes(gzip.compress(content) if packed else content)


def test_the_templates_code_leaves_the_import_path_alone(tmp_path: Path) -> None:
    before = list(sys.path)

    shard(tmp_path, "1")

    assert sys.path == before
