"""Aggregation of one tensor after another."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_core.aggregation.base import SiteUpdate
from fl_core.aggregation.tensorwise import TensorRule, Tensorwise, by_tensor, usable_threads
from fl_core.aggregation.weighted_mean import BLOCK, WeightedMean
from fl_core.errors import TensorError
from fl_core.tensors import Array, Tensors
from fl_core.tensors.lazy import LazyTensors

DTYPES = (np.float32, np.float64, np.float16, np.int64, np.uint8, np.bool_, np.complex64)


def as_they_are(name: str, array: Array) -> Array:
    return array


def updates_of(seed: int, sites: int, sizes: Sequence[int]) -> tuple[Tensors, list[SiteUpdate]]:
    rng = np.random.default_rng(seed)
    kinds = [DTYPES[n % len(DTYPES)] for n in range(len(sizes))]
    names = [f"t{n}" for n in range(len(sizes))]
    made = [
        {
            name: (rng.normal(size=size) * 50).astype(np.float64).astype(np.int64).astype(kind)
            if np.issubdtype(kind, np.integer)
            else rng.normal(size=size).astype(kind)
            for name, kind, size in zip(names, kinds, sizes, strict=True)
        }
        for _ in range(sites)
    ]
    samples = [int(n) for n in rng.integers(0, 50, sites)]
    return made[0], [SiteUpdate(f"s{n}", made[n], samples[n]) for n in range(sites)]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 5),
    st.lists(st.integers(0, 400), min_size=1, max_size=9),
    st.integers(1, 4),
)
def test_threads_and_lazy_tensors_do_not_change_a_byte(
    seed: int, sites: int, sizes: list[int], threads: int
) -> None:
    model, updates = updates_of(seed, sites, sizes)
    lazy = [
        SiteUpdate(u.site, LazyTensors(u.tensors, lambda name, t=u.tensors: t[name].copy()), u.samples)
        for u in updates
    ]

    plain = WeightedMean()(model, updates)
    others = by_tensor(WeightedMean(), model, lazy, as_they_are, threads=threads)

    assert list(plain) == list(others) == sorted(model)
    for name, array in plain.items():
        assert (array.dtype, array.shape) == (model[name].dtype, model[name].shape)
        assert array.tobytes() == others[name].tobytes()


def test_the_mean_is_the_plain_float64_sum_in_the_updates_order() -> None:
    rng = np.random.default_rng(5)
    arrays = [rng.normal(size=2 * BLOCK + 3).astype(np.float32) for _ in range(3)]
    updates = [SiteUpdate(str(n), {"w": array, "v": array[:5]}, n + 1) for n, array in enumerate(arrays)]

    found = by_tensor(WeightedMean(), updates[0].tensors, updates, as_they_are, threads=2)

    total = arrays[0].astype(np.float64) * (1 / 6)
    for array, weight in zip(arrays[1:], (2 / 6, 3 / 6), strict=True):
        total += array.astype(np.float64) * weight
    assert found["w"].tobytes() == total.astype(np.float32).tobytes()
    assert found["v"].tobytes() == found["w"][:5].tobytes()


class Counting:
    """Takes the first update's tensors, and counts what is in use."""

    def __init__(self) -> None:
        self.threads: set[int] = set()
        self.begun = 0

    def begin(self, model: Tensors, updates: Sequence[SiteUpdate]) -> TensorRule:
        self.begun += 1

        def first(name: str, model: Array, updates: Sequence[Array]) -> Array:
            self.threads.add(threading.get_ident())
            if name.startswith("bad"):
                raise TensorError(f"{name} is bad")
            return updates[0].copy()

        return first


def test_a_thread_holds_one_tensor_of_each_update() -> None:
    alive: list[weakref.ref[Array]] = []
    most = [0]
    lock = threading.Lock()

    def read(name: str) -> Array:
        array = np.full(1000, 1.0)
        with lock:
            alive.append(weakref.ref(array))
            most[0] = max(most[0], sum(ref() is not None for ref in alive))
        return array

    names = [f"t{n}" for n in range(40)]
    updates = [SiteUpdate(str(n), LazyTensors(names, read), 1) for n in range(5)]
    model = {name: np.zeros(1000) for name in names}

    made = by_tensor(WeightedMean(), model, updates, lambda _, mean: float(mean.sum()), threads=2)

    assert made == dict.fromkeys(sorted(names), 1000.0)
    assert len(alive) == 200 and most[0] <= 2 * 5


def test_the_first_error_by_name_ends_it() -> None:
    model = {name: np.zeros(n + 1) for n, name in enumerate(["a", "bad1", "bad2", "c"])}

    for threads in (1, 3):
        with pytest.raises(TensorError, match="bad1 is bad"):
            by_tensor(Counting(), model, [SiteUpdate("s", model, 1)], as_they_are, threads=threads)


def test_one_thread_is_the_callers_and_the_updates_are_looked_at_once() -> None:
    counting = Counting()
    model = {"a": np.zeros(2), "b": np.ones(2)}

    by_tensor(counting, model, [SiteUpdate("s", model, 1)], as_they_are, threads=1)

    assert counting.threads == {threading.get_ident()} and counting.begun == 1
    assert isinstance(counting, Tensorwise) and not isinstance(as_they_are, Tensorwise)
    assert 1 <= usable_threads() <= 2


def test_a_model_without_tensors_has_an_aggregate_without_tensors() -> None:
    assert by_tensor(WeightedMean(), {}, [SiteUpdate("s", {}, 1)], as_they_are, threads=2) == {}
