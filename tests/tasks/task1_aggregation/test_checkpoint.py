"""Checkpoints: what they keep, in which order, and what they leave alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fl_core.durable import Disk
from tasks.task1_aggregation.checkpoint import Checkpoint, CheckpointError
from tasks.task1_aggregation.run_state import RunState, first_state

IDENTITY = {"config": "a", "data": "b"}


def state(value: float) -> RunState:
    return first_state({"weight": np.full(2, value, np.float32)})


def test_the_order_of_a_strategys_own_state_survives(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, Disk())
    kept = {"z": 1, "a": {"y": np.arange(3.0), "b": "text"}}

    checkpoint.save(replace(state(0), strategy=kept), IDENTITY, {})
    found, _ = checkpoint.load(IDENTITY)

    assert list(found.strategy) == ["z", "a"] and list(found.strategy["a"]) == ["y", "b"]
    np.testing.assert_array_equal(found.strategy["a"]["y"], kept["a"]["y"])  # type: ignore[index]


def test_what_no_state_names_is_removed_and_files_of_others_stay(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, Disk())
    checkpoint.save(state(1), IDENTITY, {})
    orphan, _ = checkpoint.put({"x": np.zeros(1)})
    torn = tmp_path / f".{orphan}.safetensors.tmp"
    torn.write_bytes(b"half")
    (tmp_path / "outbox.jsonl").write_text("{}\n")

    checkpoint.save(state(2), IDENTITY, {})

    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {"outbox.jsonl", "state.json"} and not names & {f"{orphan}.safetensors", torn.name}
    assert len(names) == 2 + 2  # one file for the three equal models, one for the loose arrays


def test_a_change_is_named_with_what_it_was(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, Disk())
    checkpoint.save(state(1), IDENTITY, {"note": 3})

    assert checkpoint.load(IDENTITY)[1] == {"note": 3}
    with pytest.raises(CheckpointError, match=r"data changed since the run began \(data: b then, c now\)"):
        checkpoint.load({**IDENTITY, "data": "c"})
