import hashlib
import json
import os
from pathlib import Path

import pytest

from partitions.digests import DigestIndex, stamp
from partitions.errors import DataError

LATER = 4e9


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_is_the_sha256_and_is_remembered(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    index = DigestIndex(tmp_path / "digests.json", lambda: LATER)
    assert index.digest(stamp(file)) == sha(b"one")
    index.save()
    # What is remembered is used: a planted digest comes back, so the file was not read again.
    content = json.loads((tmp_path / "digests.json").read_text())
    content["digests"][str(file)][4] = "planted"
    (tmp_path / "digests.json").write_text(json.dumps(content))
    assert DigestIndex(tmp_path / "digests.json", lambda: LATER).digest(stamp(file)) == "planted"


def test_a_change_of_same_size_and_time_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    before = file.stat()
    index = DigestIndex(tmp_path / "digests.json", lambda: LATER)
    index.digest(stamp(file))
    index.save()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert DigestIndex(tmp_path / "digests.json", lambda: LATER).digest(stamp(file)) == sha(b"two")


def test_a_file_touched_just_now_is_not_remembered(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    index = DigestIndex(tmp_path / "digests.json", lambda: file.stat().st_mtime + 1)
    assert index.digest(stamp(file)) == sha(b"one")
    index.save()
    assert not (tmp_path / "digests.json").exists()


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"schema": "digests/9", "digests": {}}', '{"schema": "digests/1", "digests": [1]}'],
)
def test_a_damaged_index_counts_as_empty(tmp_path: Path, content: str) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    (tmp_path / "digests.json").write_text(content)
    index = DigestIndex(tmp_path / "digests.json", lambda: LATER)
    assert index.digest(stamp(file)) == sha(b"one")
    index.save()
    assert list(json.loads((tmp_path / "digests.json").read_text())["digests"]) == [str(file)]


def test_two_indexes_keep_what_both_learnt(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    one, two = (DigestIndex(tmp_path / "digests.json", lambda: LATER) for _ in range(2))
    one.digest(stamp(tmp_path / "a"))
    two.digest(stamp(tmp_path / "b"))
    one.save()
    two.save()
    known = json.loads((tmp_path / "digests.json").read_text())["digests"]
    assert {Path(name).name for name in known} == {"a", "b"}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone: cannot be read"):
        stamp(tmp_path / "gone")
