"""`natural`: the institutions that the data came from, as its own ``partition.csv`` says."""

from __future__ import annotations

from collections.abc import Mapping

from partitions.errors import DataError
from partitions.schemes.base import Parameters
from partitions.table import Partition

NAME = "natural"


def natural(
    volumes: Mapping[str, float], natural: Partition | None, *, seed: int, parameters: Parameters
) -> Partition:
    """Return the data folder's own partition.

    Raises:
        DataError: The data folder has no partition.csv.
    """
    if natural is None:
        raise DataError(
            "natural: the data folder has no partition.csv (Partition_ID,Subject_ID); write one, or give "
            "--partition a CSV that `challenge partition make SCHEME --data DIR --out CSV` made"
        )
    return natural
