"""Tensors that stay in their file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fl_core.errors import TensorError
from fl_core.tensors.codec import decode, encode
from fl_core.tensors.header import Limits
from fl_core.tensors.raw import DTYPES
from fl_core.tensors.spooled import SpooledTensors, write_stream

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda n: n != "__metadata__")
SHAPES = st.one_of(st.just(()), array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
TENSORS = st.dictionaries(NAMES, st.sampled_from(list(DTYPES.values())).flatmap(lambda d: arrays(d, SHAPES)))
MANY = 1 << 17
LARGE = {
    "w": np.random.default_rng(0).normal(size=(3, MANY)).astype(np.float32),
    "v": np.arange(MANY, dtype=np.int64),
    "flags": np.arange(2 * MANY) % 3 == 0,
    "scale": np.array(2.5),
    "none": np.zeros((0, 3), np.float16),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_stream(tmp_path / "a.spool", LARGE, {"round": 3})
    return tmp_path / "a.spool"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TENSORS, st.none() | st.just({"round": 3}))
def test_it_gives_what_decode_gives(tmp_path: Path, tensors: dict[str, np.ndarray], metadata: object) -> None:
    write_stream(tmp_path / "a", tensors, metadata)  # type: ignore[arg-type]

    spooled = SpooledTensors(tmp_path / "a")

    whole, kept = decode((tmp_path / "a").read_bytes())
    assert spooled.metadata == kept == metadata
    assert list(spooled) == list(whole) and len(spooled) == len(whole)
    assert spooled.nbytes == sum(array.nbytes for array in whole.values())
    for name, array in whole.items():
        assert name in spooled
        assert (spooled[name].dtype, spooled[name].shape) == (array.dtype, array.shape)
        assert spooled[name].tobytes() == array.tobytes()
        assert not spooled[name].flags.writeable and spooled[name].flags.aligned


def test_arrays_are_read_only_and_nobody_elses(path: Path) -> None:
    spooled = SpooledTensors(path)
    kept = spooled["w"]

    path.write_bytes(bytes(path.stat().st_size))  # in place, as when a spool file is written over

    np.testing.assert_array_equal(kept, LARGE["w"])
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1


def test_no_descriptor_stays_open(path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))

    held = [SpooledTensors(path) for _ in range(50)]
    arrays = [spooled["w"] for spooled in held]

    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert len(arrays) == 50


def test_arrays_that_are_in_use_outlive_the_file(path: Path) -> None:
    array = SpooledTensors(path)["w"]
    path.unlink()

    np.testing.assert_array_equal(array, LARGE["w"])


@pytest.mark.parametrize("left", [0, 5, 9, 100, -1])
def test_a_torn_file_is_refused_by_name(path: Path, left: int) -> None:
    os.truncate(path, left if left >= 0 else path.stat().st_size + left)

    with pytest.raises(TensorError, match=r"a\.spool: .*(cut off|not all there)"):
        SpooledTensors(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TensorError, match=r"b\.spool: cannot be read: No such file"):
        SpooledTensors(tmp_path / "b.spool")


@pytest.mark.parametrize("name", ["w", "scale"])
@pytest.mark.parametrize("change", ["cut", "replace", "overwrite", "remove"])
def test_a_file_that_changed_after_it_was_opened_is_noticed(path: Path, name: str, change: str) -> None:
    spooled = SpooledTensors(path)
    if change == "cut":
        os.truncate(path, path.stat().st_size - 1)
    elif change == "replace":
        write_stream(path.with_suffix(".new"), LARGE, {"round": 3})
        path.with_suffix(".new").replace(path)
    elif change == "overwrite":
        path.write_bytes(path.read_bytes())
        os.utime(path, ns=(0, 0))
    else:
        path.unlink()

    with pytest.raises(TensorError, match=r"a\.spool: .*(fetch it again|No such file)"):
        spooled[name]


@pytest.mark.parametrize("count", [3, 2 * MANY])
def test_booleans_that_are_none_are_refused(tmp_path: Path, count: int) -> None:
    content = bytearray(encode({"flags": np.ones(count, bool)}))
    content[-1] = 2
    (tmp_path / "a").write_bytes(content)

    with pytest.raises(TensorError, match="'flags' holds booleans other than 0 and 1"):
        SpooledTensors(tmp_path / "a")["flags"]


def test_limits_hold(path: Path) -> None:
    with pytest.raises(TensorError, match="tensors are more than the 2 allowed"):
        SpooledTensors(path, limits=Limits(tensors=2))
    with pytest.raises(TensorError, match="bytes in all are more than the 1000 allowed"):
        SpooledTensors(path, limits=Limits(total_bytes=1000))


def test_files_of_other_programs_whose_arrays_are_not_aligned(tmp_path: Path) -> None:
    header = (
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
        b'"w":{"dtype":"F32","shape":[100000],"data_offsets":[1,400001]}}'
    )
    array = np.arange(100_000, dtype="<f4")
    content = len(header).to_bytes(8, "little") + header + b"\x07" + array.tobytes()
    assert safetensors.numpy.load(content)["w"][-1] == 99_999
    (tmp_path / "a").write_bytes(content)

    spooled = SpooledTensors(tmp_path / "a")

    np.testing.assert_array_equal(spooled["w"], array)
    assert spooled["w"].flags.aligned


def test_a_tensor_behind_the_first_two_gigabytes(tmp_path: Path) -> None:
    # A sparse file: 3 GiB of zeros that take no room, and a tensor behind them.
    size = 3 * 2**30
    header = (
        f'{{"a":{{"dtype":"U8","shape":[{size}],"data_offsets":[0,{size}]}},'
        f'"z":{{"dtype":"F32","shape":[50000],"data_offsets":[{size},{size + 200000}]}}}}'
    ).encode()
    header += b" " * (-len(header) % 8)
    array = np.arange(50_000, dtype="<f4")
    with (tmp_path / "a").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.seek(size, os.SEEK_CUR)
        file.write(array.tobytes())

    spooled = SpooledTensors(tmp_path / "a")

    np.testing.assert_array_equal(spooled["z"], array)
    assert spooled["a"].nbytes == size and not spooled["a"][-1]
