"""Tensors that are computed on access."""

from __future__ import annotations

import numpy as np
import pytest

from fl_core.tensors.lazy import LazyTensors


def test_names_are_sorted_and_asking_for_them_computes_nothing() -> None:
    asked: list[str] = []

    def make(name: str) -> np.ndarray:
        asked.append(name)
        return np.ones(2)

    lazy = LazyTensors(["b", "a"], make)

    assert list(lazy) == ["a", "b"] and len(lazy) == 2 and "a" in lazy and "c" not in lazy
    assert asked == []
    assert lazy["b"].tolist() == [1, 1] and asked == ["b"]
    with pytest.raises(KeyError):
        lazy["c"]
    assert asked == ["b"]


def test_what_comes_is_read_only_and_an_array_even_without_dimensions() -> None:
    own = np.ones(2)
    lazy = LazyTensors(["w", "n"], lambda name: own if name == "w" else np.float32(3) * np.ones(()))

    assert not lazy["w"].flags.writeable and own.flags.writeable
    assert isinstance(lazy["n"], np.ndarray) and lazy["n"].shape == ()
