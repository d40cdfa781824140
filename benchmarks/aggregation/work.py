"""The work that aggregation functions are measured on: random updates in about sixty tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from fl_core.aggregation.base import SiteUpdate
from fl_core.tensors import Array

TENSORS: Final = 60


@dataclass(frozen=True)
class Work:
    """So many sites that each send a model of so many float32 parameters.

    Example:
        >>> Work(4, 33_000_000).name, Work(2, 600).name
        ('4x33M', '2x600')
    """

    sites: int
    parameters: int

    @property
    def name(self) -> str:
        """The size, as cases name it."""
        millions, rest = divmod(self.parameters, 1_000_000)
        return f"{self.sites}x{self.parameters if rest else f'{millions}M'}"

    @property
    def model_bytes(self) -> int:
        """Bytes of a model."""
        return 4 * self.parameters

    def tensors(self, site: int) -> dict[str, Array]:
        """Return the model that a site sends: normal, from a generator of the site's own."""
        rng = np.random.default_rng([site, self.parameters])
        sizes = [len(part) for part in np.array_split(np.empty(self.parameters, np.bool_), TENSORS)]
        return {f"t{n:02}": rng.standard_normal(size, np.float32) for n, size in enumerate(sizes)}

    def updates(self) -> list[SiteUpdate]:
        """Return what all sites send; each has one sample more than the one before."""
        return [SiteUpdate(f"s{n:03}", self.tensors(n), n + 1) for n in range(self.sites)]
