import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from challenge.records.canonical import canonical_json
from challenge.records.errors import RecordError
from challenge.records.record import read_facts, write_record
from fl_core.durable import Disk

FACTS: dict[str, Any] = {"seed": 7, "horizon_s": 604800.0, "submission": {"digest": "ab", "name": "é"}}


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "figures").mkdir(parents=True)
    (folder / "checkpoint").mkdir()
    (folder / "rounds.csv").write_bytes(b"round\n0\n")
    (folder / "figures" / "timeline.svg").write_bytes(b"<svg/>")
    (folder / "checkpoint" / "state.bin").write_bytes(b"state")
    return folder


def test_the_record_names_every_file_but_the_checkpoint_and_itself(run: Path, key: Ed25519PrivateKey) -> None:
    path = write_record(run, FACTS, key, Disk())
    assert path == run / "record.json"
    record = json.loads(path.read_bytes())
    assert record["schema"] == "record/1"
    assert record["facts"] == FACTS
    assert record["files"] == {
        "figures/timeline.svg": hashlib.sha256(b"<svg/>").hexdigest(),
        "rounds.csv": hashlib.sha256(b"round\n0\n").hexdigest(),
    }
    assert record["signer"] == {
        "algorithm": "ed25519",
        "public_key": key.public_key().public_bytes_raw().hex(),
    }


def test_the_signature_is_over_the_canonical_bytes_of_all_the_rest(run: Path, key: Ed25519PrivateKey) -> None:
    record = json.loads(write_record(run, FACTS, key, Disk()).read_bytes())
    signature = bytes.fromhex(record.pop("signature"))
    key.public_key().verify(signature, canonical_json(record))


def test_writing_again_gives_the_same_bytes(run: Path, key: Ed25519PrivateKey) -> None:
    first = write_record(run, FACTS, key, Disk()).read_bytes()
    (run / ".record.json.tmp").write_bytes(b"torn")  # what a process that died here leaves
    assert write_record(run, FACTS, key, Disk()).read_bytes() == first
    assert not (run / ".record.json.tmp").exists()


def test_only_the_upper_checkpoint_folder_is_left_out(run: Path, key: Ed25519PrivateKey) -> None:
    (run / "sites" / "checkpoint").mkdir(parents=True)
    (run / "sites" / "checkpoint" / "record.json").write_bytes(b"{}")
    record = json.loads(write_record(run, {}, key, Disk()).read_bytes())
    assert "sites/checkpoint/record.json" in record["files"]


@pytest.mark.parametrize("name", ["link", "figures/link"])
def test_links_are_refused(run: Path, key: Ed25519PrivateKey, name: str) -> None:
    (run / name).symlink_to(run / "rounds.csv")
    with pytest.raises(RecordError, match="symbolic link"):
        write_record(run, {}, key, Disk())
    assert not (run / "record.json").exists()


def test_a_linked_folder_is_refused(run: Path, key: Ed25519PrivateKey) -> None:
    (run / "more").symlink_to(run / "figures")
    with pytest.raises(RecordError, match="symbolic link"):
        write_record(run, {}, key, Disk())


def test_a_pipe_is_refused(run: Path, key: Ed25519PrivateKey) -> None:
    os.mkfifo(run / "pipe")
    with pytest.raises(RecordError, match="neither a file nor a folder"):
        write_record(run, {}, key, Disk())


def test_a_name_that_is_no_text_is_refused(run: Path, key: Ed25519PrivateKey) -> None:
    (run / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    with pytest.raises(RecordError, match="not UTF-8"):
        write_record(run, {}, key, Disk())


def test_a_fact_that_is_no_number_is_refused(run: Path, key: Ed25519PrivateKey) -> None:
    with pytest.raises(RecordError, match=r"facts\.score is nan"):
        write_record(run, {"score": float("nan")}, key, Disk())


def test_facts_are_read_back(run: Path, key: Ed25519PrivateKey) -> None:
    assert read_facts(run) == {}
    write_record(run, FACTS, key, Disk())
    assert read_facts(run) == FACTS
    (run / "record.json").write_bytes(b'{"schema": "record/9"}')
    with pytest.raises(RecordError, match="not of the schema record/1"):
        read_facts(run)
    (run / "record.json").write_bytes(b"[" * 100000)
    with pytest.raises(RecordError, match="is not a record"):
        read_facts(run)
