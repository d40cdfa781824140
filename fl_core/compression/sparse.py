"""What the sparse codecs share: the largest elements of a tensor, and feedback of what was left out."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fl_core.compression.base import SETTINGS, ArrayCodec
from fl_core.compression.exponent import Floats
from fl_core.compression.positions import Positions


@dataclass(frozen=True, config=SETTINGS)
class SparseCodec(ArrayCodec):
    """A codec that sends the largest elements only. Fit for updates; a model it would ruin.

    Args:
        dim_threshold: Elements from which on a tensor is compressed.
        p_sparsity: Share of the elements that is sent, of each tensor, rounded up.
        error_feedback: Add what an update lost to the site's next one, as Stich et al. (NeurIPS
            2018) and Sattler et al. (2019) do. The residual is as large as the model.
    """

    sparse: ClassVar[bool] = True

    p_sparsity: Annotated[float, Field(gt=0, le=1)] = 0.01
    # A field where the other codecs have a constant.
    error_feedback: bool = True

    def kept(self, count: int) -> int:
        """Return ``ceil(p_sparsity * count)``, the share taken as the decimal number that was written.

        Example:
            >>> from fl_core.compression.top_k import TopK
            >>> TopK(p_sparsity=0.1).kept(30), TopK(p_sparsity=0.1).kept(31)
            (3, 4)
        """
        return math.ceil(Fraction(repr(self.p_sparsity)) * count)


def largest(values: Floats, kept: int) -> Positions:
    """Return the positions, ascending, of the `kept` largest magnitudes that are not zero.

    Of equal ones the first are taken: which these are must not depend on how a machine sorts.

    Example:
        >>> largest(np.float32([1, -3, 0, 2, -2]), 2).tolist()
        [1, 3]
    """
    magnitudes = np.abs(values)
    if kept >= values.size:
        return np.flatnonzero(magnitudes)
    cut = np.partition(magnitudes, values.size - kept)[values.size - kept]
    above = magnitudes > cut
    if cut > 0:
        ties = np.flatnonzero(magnitudes == cut)
        above[ties[: kept - np.count_nonzero(above)]] = True
    return np.flatnonzero(above)
