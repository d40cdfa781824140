"""Where uploads lie: what is said to be here is here, whatever the disk or a restart did."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_work import named

from fl_core.transport.parts import Part, parts_of
from fl_core.transport.source import Pieces
from fl_core.transport.spool import Spool, give_back
from fl_core.transport.wire import MessageError, TransferError

CONTENT = bytes(range(256)) * 4
BLOB = named(CONTENT)


def parts(offset: int = 0, until: int = len(CONTENT), content: bytes = CONTENT) -> Iterator[Part]:
    return parts_of(Pieces([memoryview(content)]), offset, until, 100)


@given(st.lists(st.integers(0, len(CONTENT)), max_size=6))
def test_an_upload_in_any_pieces_is_whole(tmp_path_factory: pytest.TempPathFactory, stops: list[int]) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool"))
    at = 0
    for stop in [*sorted(stops), len(CONTENT)]:
        assert spool.receive("a", BLOB, parts(at, stop)) == stop
        assert spool.how_far("a", BLOB) == stop
        at = stop
    assert spool.take("a", BLOB).read_bytes() == CONTENT
    spool.close()


def test_one_sites_blobs_are_not_anothers(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.receive("a", BLOB, parts())
    assert spool.how_far("b", BLOB) == 0
    with pytest.raises(MessageError, match="was not uploaded whole: 0 of 1024"):
        spool.take("b", BLOB)
    spool.clear("b")
    assert spool.take("a", BLOB).is_file()
    spool.close()


def test_a_checksum_with_another_size_is_another_blob(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.receive("a", BLOB, parts())
    with pytest.raises(MessageError, match="was not uploaded whole"):
        spool.take("a", replace(BLOB, size=5))
    assert spool.how_far("a", replace(BLOB, size=5)) == 0
    assert spool.take("a", BLOB).read_bytes() == CONTENT
    spool.close()


@pytest.mark.parametrize("what", ["write", "rename"])
def test_a_disk_that_refuses_is_told_and_the_blob_begins_anew(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    spool = Spool(tmp_path)
    with monkeypatch.context() as patched:
        if what == "write":
            patched.setattr(os, "pwrite", refuse)
        else:
            patched.setattr(Path, "replace", refuse)
        for _ in range(6):  # more often than blobs may lie here
            with pytest.raises(OSError, match="No space left"):
                spool.receive("a", BLOB, parts())
            assert spool.how_far("a", BLOB) == 0
    assert list((tmp_path / "a").iterdir()) == []
    assert spool.receive("a", BLOB, parts()) == len(CONTENT)
    assert spool.take("a", BLOB).read_bytes() == CONTENT
    spool.close()


@pytest.mark.parametrize("torn", [b"", CONTENT[:-1], bytes(len(CONTENT)), CONTENT + b"x"])
def test_what_outlived_a_restart_is_read_before_it_is_believed(tmp_path: Path, torn: bytes) -> None:
    first = Spool(tmp_path)
    first.receive("a", BLOB, parts())
    path = first.take("a", BLOB)
    first.close()
    whole = Spool(tmp_path)
    assert whole.how_far("a", BLOB) == len(CONTENT), "it need not be sent again"
    whole.close()
    path.write_bytes(torn)  # the machine lost its power before the disk had it
    second = Spool(tmp_path)
    assert second.how_far("a", BLOB) == 0
    assert second.receive("a", BLOB, parts()) == len(CONTENT)
    assert second.take("a", BLOB).read_bytes() == CONTENT
    second.close()


def test_unfinished_uploads_of_earlier_runs_take_no_place(tmp_path: Path) -> None:
    for number in range(6):
        content = CONTENT + bytes([number])
        spool = Spool(tmp_path)
        assert spool.how_far("a", named(content)) == 0
        assert spool.receive("a", named(content), parts(until=500, content=content)) == 500
        spool.close()
    assert len(list((tmp_path / "a").iterdir())) == 1


def test_two_calls_do_not_write_the_same_blob(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    begun, ended = threading.Event(), threading.Event()

    def slow() -> Iterator[Part]:
        yield next(parts())
        begun.set()
        ended.wait(10)
        yield from parts(100)

    stored: list[int] = []
    thread = threading.Thread(target=lambda: stored.append(spool.receive("a", BLOB, slow())))
    thread.start()
    assert begun.wait(10)
    with pytest.raises(TransferError, match="is being uploaded by another call"):
        spool.receive("a", BLOB, parts())
    spool.clear("a")  # does not take it from under the call
    ended.set()
    thread.join(10)
    assert stored == [len(CONTENT)]
    assert spool.take("a", BLOB).read_bytes() == CONTENT
    spool.close()


@pytest.mark.parametrize("size", [1, len(CONTENT) - 1, len(CONTENT), 3 * len(CONTENT)])
def test_a_file_that_was_given_back_is_written_over(tmp_path: Path, size: int) -> None:
    spool = Spool(tmp_path / "spool")
    spool.receive("a", BLOB, parts())
    used = tmp_path / "used"
    os.link(spool.take("a", BLOB), used)
    spool.clear("a")
    inode = used.stat().st_ino

    give_back(used, tmp_path / "spool")
    content = bytes(reversed(range(size % 251))) * 3 or b"x"
    spool.receive("b", named(content), parts(until=len(content), content=content))

    path = spool.take("b", named(content))
    assert not used.exists()
    assert path.stat().st_ino == inode
    assert path.read_bytes() == content
    spool.close()


def test_a_file_with_another_name_is_not_written_over(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.receive("a", BLOB, parts())
    os.link(spool.take("a", BLOB), tmp_path / "one")
    os.link(tmp_path / "one", tmp_path / "other")
    spool.clear("a")

    give_back(tmp_path / "one", tmp_path / "spool")
    content = bytes(len(CONTENT))
    spool.receive("b", named(content), parts(content=content))

    assert (tmp_path / "other").read_bytes() == CONTENT
    assert not (tmp_path / "one").exists()
    spool.close()


@pytest.mark.parametrize("content", [CONTENT, b"x" * 16], ids=["many parts", "one part"])
def test_a_call_that_breaks_off_after_its_last_part_leaves_a_whole_blob(
    tmp_path: Path, content: bytes
) -> None:
    def broken() -> Iterator[Part]:
        yield from parts(until=len(content), content=content)
        raise ConnectionError("the site was killed")

    spool, blob = Spool(tmp_path), named(content)
    with pytest.raises(ConnectionError):
        spool.receive("a", blob, broken())

    assert spool.how_far("a", blob) == len(content)
    assert spool.receive("a", blob, parts(until=len(content), content=content)) == len(content)
    assert spool.take("a", blob).read_bytes() == content
    spool.close()
