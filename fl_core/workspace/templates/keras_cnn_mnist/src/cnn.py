"""A small convolutional network for digits, trained with Keras."""

from __future__ import annotations

from fl_core.task_runner.keras import KerasTaskRunner, SiteArrays, keras
from src.mnist import Shard


def build() -> keras.Model:
    """Return the compiled network: images (n, 28, 28, 1) to ten probabilities."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 5, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 5, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Runner(KerasTaskRunner):
    """Trains and validates the network on a shard.

    Args:
        data: The collaborator's shard; None where only the initial model is wanted.
        seed: Of the initial weights.
    """

    def __init__(self, data: Shard | None, seed: int = 0) -> None:
        arrays = data and SiteArrays(
            data.train_images[..., None], data.train_labels, data.valid_images[..., None], data.valid_labels
        )
        super().__init__(build, arrays, seed=seed)
