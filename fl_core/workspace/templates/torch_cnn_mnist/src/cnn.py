"""A small convolutional network for digits, trained with PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fl_core.seeding import generator
from fl_core.task_runner.base import TaskContext, TaskOutput
from fl_core.task_runner.pytorch import PyTorchTaskRunner
from src.mnist import Shard


def build() -> nn.Module:
    """Return the network: images (n, 1, 28, 28) to ten logits."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


class Runner(PyTorchTaskRunner):
    """Trains and validates the network on a shard.

    Args:
        data: The collaborator's shard; None where only the initial model is wanted.
        seed: Of the initial weights.
    """

    def __init__(self, data: Shard | None, seed: int = 0) -> None:
        torch.set_num_threads(1)  # sums then have one order, and equal runs equal bytes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build()
        super().__init__(network, lambda parameters: torch.optim.Adam(parameters))
        self.data = data

    @property
    def train_size(self) -> int:
        """Number of training images."""
        return len(self.data.train_labels)

    def train_batches(self, context: TaskContext) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (images, labels) of `epochs` epochs, in an order that follows from seed, site and round."""
        size = int(context.settings["batch_size"])
        draw = generator(context.seed, "batches", context.site, context.round)
        for _ in range(int(context.settings["epochs"])):
            order = draw.permutation(self.train_size)
            for chosen in np.array_split(order, max(1, self.train_size // size)):
                yield _batch(self.data.train_images[chosen], self.data.train_labels[chosen])

    def loss(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Mapping[str, float]]:
        """Return the batch's cross-entropy."""
        images, labels = batch
        return functional.cross_entropy(self.network(images), labels), {}

    def validate(self, context: TaskContext) -> TaskOutput:
        """Return the accuracy and the loss on the validation images."""
        images, labels = _batch(self.data.valid_images, self.data.valid_labels)
        self.network.eval()
        with torch.inference_mode():
            logits = torch.cat([self.network(part) for part in images.split(256)])
        right = (logits.argmax(1) == labels).double().mean()
        loss = functional.cross_entropy(logits, labels)
        return TaskOutput({"accuracy": float(right), "loss": float(loss)}, len(labels))


def _batch(images: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(images[:, None]), torch.from_numpy(labels)
