"""``fx model save``: a federation's model in its framework's own form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fx_call import fx

from fl_core.durable import Disk
from fl_core.tensors.codec import read_file, write_file
from fl_core.workspace.initialise import initialise
from fl_core.workspace.templates import create_workspace


def workspace(tmp_path: Path, name: str) -> Path:
    made = create_workspace(tmp_path / "w", name, Disk())
    initialise(made, address="localhost", disk=Disk())
    return made.root


def test_numpy_reads_what_was_saved(tmp_path: Path) -> None:
    home = workspace(tmp_path, "numpy_plus_one")
    trained = {"bias": np.float32([1, 2, 3]), "weight": np.float32([[1, 2, 3], [4, 5, 6]])}
    write_file(home / "save" / "best.safetensors", trained, {"round": 3}, disk=Disk())

    npz = fx("model", "save", "-i", "save/best.safetensors", "-o", "best.npz", cwd=home)
    plain = fx("model", "save", "-i", "save/best.safetensors", "-o", "copy.safetensors", cwd=home)

    assert npz.returncode == 0 and npz.stdout == "best.npz: arrays by name; numpy.load reads them\n"
    with np.load(home / "best.npz", allow_pickle=False) as found:
        assert sorted(found) == ["bias", "weight"]
        assert all(np.array_equal(found[name], trained[name]) for name in trained)
    assert plain.returncode == 0
    copied, metadata = read_file(home / "copy.safetensors")
    assert metadata is None and np.array_equal(copied["weight"], trained["weight"])


@pytest.mark.parametrize(
    ("source", "output", "told"),
    [
        ("save/init.safetensors", "x.pt", "end the name in .npz, .safetensors"),
        ("save/init.safetensors", "there.npz", "is there already; name a new file"),
        ("save/nowhere.safetensors", "x.npz", "save/nowhere.safetensors: cannot be read"),
        ("other.safetensors", "x.npz", "other.safetensors: tensor names differ from the model's"),
        ("there.npz", "x.npz", "there.npz"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, source: str, output: str, told: str) -> None:
    home = workspace(tmp_path, "numpy_plus_one")
    (home / "there.npz").write_text("mine")
    write_file(home / "other.safetensors", {"w": np.zeros(1)}, disk=Disk())

    done = fx("model", "save", "-i", source, "-o", output, cwd=home)

    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr
    assert (home / "there.npz").read_text() == "mine" and not (home / "x.npz").exists()


@pytest.mark.slow
def test_pytorch_reads_what_was_saved_without_unpickling(tmp_path: Path) -> None:
    import torch

    home = workspace(tmp_path, "torch_cnn_mnist")
    initial, _ = read_file(home / "save" / "torch_cnn_mnist_init.safetensors")
    trained = {name: array + np.float32(1) for name, array in initial.items()}
    write_file(home / "save" / "last.safetensors", trained, disk=Disk())

    done = fx("model", "save", "-i", "save/last.safetensors", "-o", "last.pt", cwd=home)

    assert done.returncode == 0, done.stderr
    state = torch.load(home / "last.pt", weights_only=True)
    assert list(state) == [
        "0.weight",
        "0.bias",
        "2.weight",
        "2.bias",
        "5.weight",
        "5.bias",
        "7.weight",
        "7.bias",
    ]
    assert all(np.array_equal(state[name].numpy(), trained[name]) for name in trained)
