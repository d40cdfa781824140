"""Named arrays: how they are stored, written and compared."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Tensors = Mapping[str, Array]
"""A model or an update: arrays by name, each in its own dtype. Order carries no meaning."""
