"""Handwritten digits: MNIST where it is on this machine, else the small digits of scikit-learn."""

from __future__ import annotations

import gzip
import logging
import os
from pathlib import Path

import numpy as np

from fl_core.errors import InputError

PLACES = ("~/.keras/datasets", "~/.cache/mnist", "~/data/MNIST/raw", "~/mnist", "~/data")
"""Where MNIST is looked for after $MNIST_DIR: mnist.npz, or the four files of the original."""

VALIDATION = 5  # one in so many images of a shard
_log = logging.getLogger(__name__)


class Shard:
    """One collaborator's share of the images.

    Args:
        data_path: Its number, from 1: what follows `-d`.
        collaborator_count: How many shards there are.

    Attributes:
        train_images: float32 (n, 28, 28), 0 to 1.
        train_labels: int64 (n,), 0 to 9.
        valid_images: As the training images, other ones.
        valid_labels: As the training labels.
    """

    def __init__(self, data_path: str, collaborator_count: int = 2) -> None:
        if not data_path.isdecimal() or not 1 <= int(data_path) <= collaborator_count:
            raise InputError(
                f"-d {data_path}: there are shards 1 to {collaborator_count}; choose one of them, or raise "
                "data_loader.settings.collaborator_count in the plan"
            )
        images, labels = load()
        first = int(data_path) - 1
        images, labels = images[first::collaborator_count], labels[first::collaborator_count]
        held_out = np.arange(len(labels)) % VALIDATION == 0
        self.train_images, self.train_labels = images[~held_out], labels[~held_out]
        self.valid_images, self.valid_labels = images[held_out], labels[held_out]


def load() -> tuple[np.ndarray, np.ndarray]:
    """Return all images, float32 (n, 28, 28) from 0 to 1, and their labels; nothing is downloaded."""
    for place in (os.environ.get("MNIST_DIR"), *PLACES):
        if place and (found := read_mnist(Path(place).expanduser())):
            _log.info("MNIST from %s", place)
            return found
    _log.warning("MNIST is not here (set MNIST_DIR to its folder); scikit-learn's digits are used instead")
    from sklearn.datasets import load_digits

    digits = load_digits()
    large = np.repeat(np.repeat(digits.images / 16, 3, axis=1), 3, axis=2)  # 8 x 8 becomes 24 x 24
    return np.pad(large, ((0, 0), (2, 2), (2, 2))).astype(np.float32), digits.target.astype(np.int64)


def read_mnist(folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Return MNIST's training images and labels from a folder, or None if it does not hold them."""
    if (folder / "mnist.npz").is_file():
        with np.load(folder / "mnist.npz", allow_pickle=False) as arrays:
            images, labels = arrays["x_train"], arrays["y_train"]
    else:
        files = [_bytes(folder / f"train-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")]
        if files[0] is None or files[1] is None:
            return None
        images = np.frombuffer(files[0], np.uint8, offset=16).reshape(-1, 28, 28)
        labels = np.frombuffer(files[1], np.uint8, offset=8)
    return (images / 255).astype(np.float32), labels.astype(np.int64)


def _bytes(file: Path) -> bytes | None:
    if file.is_file():
        return file.read_bytes()
    packed = file.with_name(f"{file.name}.gz")
    return gzip.decompress(packed.read_bytes()) if packed.is_file() else None
