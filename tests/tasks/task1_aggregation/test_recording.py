"""What a replay gives a strategy again: the same updates, to the last bit and in the same order."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from fl_core.durable import Disk
from tasks.task1_aggregation.checkpoint import Checkpoint
from tasks.task1_aggregation.recording import UpdateKeeper
from tasks.task1_aggregation.strategy import Update

UPDATES = [
    Update("1", {"b": np.float32([1, 2]), "a": np.int64([3])}, 0.25, 4, {"z": 0.5, "a": math.nan}),
    Update("2", {"b": np.float32([-0.0, 7]), "a": np.int64([9])}, 0.75, 12, {"y": math.inf, "b": 1.0}, 2),
]


def test_updates_come_back_as_they_were_given(tmp_path: Path) -> None:
    keeper = UpdateKeeper(Checkpoint(tmp_path, Disk()), 2**20)

    name, used = keeper.keep(UPDATES, used_bytes=10)
    found = keeper.load(name)

    assert used - 10 == sum(path.stat().st_size for path in tmp_path.iterdir())
    for given, got in zip(UPDATES, found, strict=True):
        assert (got.site, got.weight, got.n_train, got.staleness) == (
            given.site, given.weight, given.n_train, given.staleness,
        )  # fmt: skip
        assert repr(list(got.metrics.items())) == repr(list(given.metrics.items()))
        for tensor, array in given.tensors.items():
            assert got.tensors[tensor].dtype == array.dtype
            assert got.tensors[tensor].tobytes() == array.tobytes()
            assert not got.tensors[tensor].flags.writeable


def test_past_the_limit_nothing_is_kept(tmp_path: Path) -> None:
    keeper = UpdateKeeper(Checkpoint(tmp_path, Disk()), limit_bytes=31)

    assert keeper.keep(UPDATES, used_bytes=0) == ("", 0)
    assert list(tmp_path.iterdir()) == []
