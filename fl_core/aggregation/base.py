"""What an aggregation function is: a model and its updates in, the next model out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fl_core.tensors import Tensors


@dataclass(frozen=True)
class SiteUpdate:
    """A site's whole model after training, read-only.

    Attributes:
        site: The site's name.
        tensors: Arrays by name, as in the global model; they may be read from a file on access.
        samples: Size of the site's training data.
        metrics: What the site measured in this round, by name.
        staleness: Rounds since the site received the model it trained; 0 is current.
    """

    site: str
    tensors: Tensors
    samples: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    staleness: int = 0


class Aggregation(Protocol):
    """Makes the next global model of a round's updates, which come in name order.

    One that needs not all tensors at a time says so: `fl_core.aggregation.tensorwise`.
    """

    def __call__(self, model: Tensors, updates: Sequence[SiteUpdate]) -> Tensors:
        """Return arrays with the names, shapes and dtypes of `model`."""
        ...
