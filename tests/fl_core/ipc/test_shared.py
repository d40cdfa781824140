from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_core.ipc import shared
from fl_core.ipc.shared import ALIGNMENT, DTYPES, ArrayLayout, BadTensors, Layout, check, pack, unpack

SETS = st.dictionaries(
    st.text(max_size=20),
    st.sampled_from(sorted(DTYPES)).flatmap(
        lambda name: hnp.arrays(name, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    max_size=5,
)


@settings(max_examples=40)
@given(SETS)
def test_what_is_packed_comes_out_bit_for_bit_aligned_and_read_only(tensors: dict[str, np.ndarray]) -> None:
    file = pack(tensors)
    try:
        arrays = unpack(file.handle, file.layout)
    finally:
        file.close()
    assert list(arrays) == list(tensors)
    for name, array in arrays.items():
        assert array.dtype == tensors[name].dtype and array.shape == tensors[name].shape
        assert array.tobytes() == tensors[name].tobytes()
        assert not array.flags.writeable
        assert array.size == 0 or array.ctypes.data % ALIGNMENT == 0


def test_strided_and_big_endian_arrays_cross_by_value() -> None:
    tensors = {"t": np.arange(6, dtype=">f4").reshape(2, 3).T, "s": np.arange(10)[::-2]}
    file = pack(tensors)
    arrays = unpack(file.handle, file.layout)
    file.close()
    np.testing.assert_array_equal(arrays["t"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(arrays["s"], [9, 7, 5, 3, 1])


def test_nobody_can_write_into_a_set_that_was_sent() -> None:
    file = pack({"w": np.ones(4, np.float32)})
    array = unpack(file.handle, file.layout)["w"]
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 2
    with pytest.raises(ValueError, match="WRITEABLE"):
        array.flags.writeable = True
    if hasattr(os, "memfd_create"):
        with pytest.raises(PermissionError):
            os.pwrite(file.handle, b"x", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(file.handle, 0)
        with pytest.raises(PermissionError):
            mmap.mmap(file.handle, 16, access=mmap.ACCESS_WRITE)
    file.close()


def test_mapped_sets_hold_no_descriptor_and_give_their_memory_back() -> None:
    def status() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), len(
            Path("/proc/self/maps").read_text().splitlines()
        )

    before = status()
    kept = []
    for _ in range(50):
        file = pack({"a": np.ones(100_000), "b": np.ones(3)})
        kept.append(unpack(file.handle, file.layout)["b"])
        file.close()
    during = status()
    assert during[0] == before[0] and during[1] >= before[1] + 1
    assert all(array.tolist() == [1.0, 1.0, 1.0] for array in kept)
    sizes = Path("/proc/self/statm").read_text().split()
    kept.clear()
    assert int(Path("/proc/self/statm").read_text().split()[0]) < int(sizes[0]) - 50 * 800_000 // 4096 // 2


def test_an_unsealed_file_is_copied_so_that_shortening_it_cannot_hurt() -> None:
    layout = Layout(8, (ArrayLayout("w", "float32", (2,), 0),))
    with tempfile.TemporaryFile() as file:
        file.write(np.array([1, 2], "<f4").tobytes())
        file.flush()
        array = unpack(file.fileno(), layout)["w"]
        os.ftruncate(file.fileno(), 0)
        assert array.tolist() == [1.0, 2.0]
        with pytest.raises(BadTensors, match="8 bytes, the shared file has 0"):
            unpack(file.fileno(), layout)


def test_without_memfd_an_unlinked_file_does_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    file = shared.pack({"w": np.arange(3)})
    assert shared.unpack(file.handle, file.layout)["w"].tolist() == [0, 1, 2]
    assert os.fstat(file.handle).st_nlink == 0
    file.close()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([object()]), "dtype object"),
        (np.array(["a"]), "dtype <U1"),
        (np.array([1j]), "dtype complex128"),
        (np.zeros(2, "M8[s]"), "dtype datetime64"),
        (np.zeros(1, [("a", "f4")]), "dtype"),
    ],
)
def test_other_dtypes_are_refused_by_name(array: np.ndarray, message: str) -> None:
    with pytest.raises(BadTensors, match=message):
        pack({"w": array})


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (Layout(64, (ArrayLayout("w", "object", (1,), 0),)), "dtype 'object'"),
        (Layout(64, (ArrayLayout("w", "float32", (-1,), 0),)), "shape"),
        (Layout(64, (ArrayLayout("w", "float32", (1,) * 33, 0),)), "shape"),
        (Layout(64, (ArrayLayout("w", "float32", (17,), 0),)), "do not fit"),
        (Layout(64, (ArrayLayout("w", "float32", (1,), 64),)), "do not fit"),
        (Layout(64, (ArrayLayout("w", "float32", (1,), -64),)), "do not fit"),
        (Layout(64, (ArrayLayout("w", "float32", (1,), 4),)), "do not fit"),
        (Layout(64, (ArrayLayout("w", "float32", (2**61, 2**61, 2**6), 0),)), "do not fit"),
        (Layout(128, (ArrayLayout("a", "int8", (65,), 0), ArrayLayout("b", "int8", (1,), 64))), "do not fit"),
        (Layout(128, (ArrayLayout("a", "int8", (1,), 0), ArrayLayout("a", "int8", (1,), 64))), "double"),
        (Layout(64, (ArrayLayout("n" * 2000, "int8", (1,), 0),)), "longer"),
        (Layout(-1, ()), "-1 bytes"),
        (Layout(2**40, ()), "at most 1000 are accepted"),
    ],
)
def test_a_layout_that_lies_is_refused(layout: Layout, message: str) -> None:
    with pytest.raises(BadTensors, match=message):
        check(layout, max_bytes=1000)


def test_an_empty_array_with_impossible_extents_is_refused() -> None:
    file = pack({})
    layout = Layout(0, (ArrayLayout("w", "float32", (0, 2**61, 2**61), 0),))
    with pytest.raises(BadTensors, match="cannot be"):
        unpack(file.handle, layout)
    file.close()
