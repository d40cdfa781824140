"""Durable writes at each of their steps."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from faulty_disk import Death, FaultyDisk

from fl_core.durable import Disk
from fl_core.errors import TensorError
from fl_core.tensors.checksum import file_checksum
from fl_core.tensors.codec import encode
from fl_core.tensors.lazy import LazyTensors
from fl_core.tensors.stream import PIECE

OLD = {"w": np.zeros(3, np.float32)}
NEW = {"w": np.arange(PIECE, dtype=np.float32), "b": np.ones(2)}


class FullDisk(Disk):
    """A disk that takes so many bytes and then no more."""

    def __init__(self, room: int) -> None:
        self._room = room

    def _put(self, handle: int, content: bytes | memoryview) -> None:
        super()._put(handle, content[: self._room])
        self._room -= len(content)
        if self._room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_appended_records_follow_each_other(tmp_path: Path) -> None:
    disk = FaultyDisk()
    for record in (b"one\n", b"", b"two\n"):
        disk.append(tmp_path / "journal", record)

    assert (tmp_path / "journal").read_bytes() == b"one\ntwo\n"
    first, *later = "open to append journal", "write", "fsync"
    # The folder is synced until something stands in the file, and no more after that.
    assert disk.steps == [first, "fsync folder", *later, first, *later, first, *later]


def appends(disk: Disk, path: Path) -> None:
    disk.append(path, b"first record\n")
    disk.append(path, b"second record\n")


def replaces(disk: Disk, path: Path) -> None:
    disk.write_tensors(path, OLD)
    disk.write_tensors(path, NEW, {"round": 1})


def every_death(write: Callable[[Disk, Path], None], path: Path) -> list[tuple[str, bytes]]:
    """Return the step and what the file holds after a death at each step of two writes."""
    probe = FaultyDisk()
    write(probe, path)
    found = []
    for step in range(len(probe.steps)):
        for when in ("before", "torn", "after"):
            path.unlink()
            dying = FaultyDisk(step, when)
            try:
                write(dying, path)
            except Death:
                pass
            else:
                assert when == "torn" and "write" not in probe.steps[step]
            path.touch()
            found.append((f"{when} {step} {probe.steps[step]}", path.read_bytes()))
            write(Disk(), path)  # what remains does not hinder the next process
    return found


def test_an_append_that_dies_leaves_a_part_of_its_own_record_only(tmp_path: Path) -> None:
    whole = b"first record\nsecond record\n"

    deaths = every_death(appends, tmp_path / "journal")

    assert all(whole.startswith(content) for _, content in deaths)
    # Once the first append has returned, its record stands.
    second = [content for step, content in deaths if int(step.split()[1]) >= 4]
    assert second and all(content.startswith(b"first record\n") for content in second)
    assert any(content not in (b"", b"first record\n", whole) for _, content in deaths)  # torn ones


def test_replaced_tensors_are_the_old_or_the_new_ones_whatever_happens(tmp_path: Path) -> None:
    old, new = encode(OLD), encode(NEW, {"round": 1})

    deaths = every_death(replaces, tmp_path / "model.safetensors")

    assert {content for _, content in deaths} == {b"", old, new}


def test_written_tensors_are_those_of_encode_and_come_with_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"

    checksum = Disk().write_tensors(path, NEW, {"round": 1})

    assert path.read_bytes() == encode(NEW, {"round": 1})
    assert checksum == file_checksum(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_full_disk_leaves_the_end_of_the_file_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    Disk().append(path, b"first\n")

    with pytest.raises(OSError, match="No space left") as raised:
        FullDisk(4).append(path, b"second\n")

    assert raised.value.filename == str(path)
    assert path.read_bytes() == b"first\n"


@pytest.mark.parametrize("room", [0, 100, PIECE, 3 * PIECE])
def test_a_full_disk_leaves_the_old_tensors(tmp_path: Path, room: int) -> None:
    path = tmp_path / "model.safetensors"
    Disk().write_tensors(path, OLD)

    with pytest.raises(OSError, match="No space left"):
        FullDisk(room).write_tensors(path, NEW)

    assert path.read_bytes() == encode(OLD)
    assert len(list(tmp_path.iterdir())) == 1


def test_tensors_that_cannot_be_read_leave_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    Disk().write_tensors(path, OLD)
    asked: list[str] = []

    def torn(name: str) -> np.ndarray:
        asked.append(name)
        if len(asked) == 4:  # both were asked for their place before
            raise TensorError("cut off")
        return np.zeros(PIECE)

    with pytest.raises(TensorError, match="cut off"):
        Disk().write_tensors(path, LazyTensors(["a", "b"], torn))

    assert path.read_bytes() == encode(OLD)
    assert len(list(tmp_path.iterdir())) == 1
