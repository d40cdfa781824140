"""A safetensors file in pieces."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from fl_core.errors import TensorError
from fl_core.tensors.checksum import Checksum
from fl_core.tensors.codec import encode
from fl_core.tensors.lazy import LazyTensors
from fl_core.tensors.stream import PIECE, stream, write_stream

LARGE = {
    "w": np.random.default_rng(0).normal(size=(3, PIECE // 4 + 5)).astype(np.float32),
    "edge": np.arange(PIECE, dtype=np.uint8),
    "empty": np.zeros((0, 7)),
    "scale": np.array(2.5),
    "flags": np.arange(9) % 2 == 0,
}


def test_large_tensors_come_in_pieces_and_small_ones_share_one() -> None:
    sizes = [piece.nbytes for piece in stream(LARGE)]

    assert max(sizes) == PIECE and 0 not in sizes
    assert len(sizes) == 1 + 4 + 1 + 0 + 1  # header and scale; w; edge; flags waits after it
    assert [piece.nbytes for piece in stream({"a": np.zeros(3), "b": np.ones(5)})] == [
        len(encode({"a": np.zeros(3), "b": np.ones(5)}))
    ]


def test_the_file_is_what_encode_gives_and_what_the_safetensors_library_reads(tmp_path: Path) -> None:
    written = write_stream(tmp_path / "a", LARGE, {"round": 3})

    content = (tmp_path / "a").read_bytes()
    assert content == encode(LARGE, {"round": 3})
    assert (written.size, written.checksum) == (len(content), Checksum(content).text)
    theirs = safetensors.numpy.load(content)
    assert all(theirs[name].tobytes() == array.tobytes() for name, array in LARGE.items())


def test_a_descriptor_is_written_where_it_stands_and_stays_open(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb", buffering=0) as file:
        file.write(b"before")
        written = write_stream(file.fileno(), {"w": LARGE["w"]})
        os.fstat(file.fileno())

    assert (tmp_path / "a").read_bytes() == b"before" + encode({"w": LARGE["w"]})
    assert written.size == (tmp_path / "a").stat().st_size - 6


def test_one_tensor_of_a_lazy_mapping_is_alive_at_a_time() -> None:
    import weakref

    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def make(name: str) -> np.ndarray:
        nonlocal most
        array = np.full(2 * PIECE, int(name), np.uint8)
        alive.append(weakref.ref(array))
        most = max(most, sum(ref() is not None for ref in alive))
        return array

    lazy = LazyTensors([str(n) for n in range(6)], make)
    total = sum(piece.nbytes for piece in stream(lazy))

    assert total == len(encode({name: np.full(2 * PIECE, int(name), np.uint8) for name in lazy}))
    assert most <= 2  # the next one is made while the last view of the one before still stands


def test_a_tensor_that_changes_while_it_is_written_is_an_error() -> None:
    sizes = iter([3, 4])

    with pytest.raises(TensorError, match="'w' changed its size"):
        list(stream(LazyTensors(["w"], lambda _: np.zeros(next(sizes)))))
