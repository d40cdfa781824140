import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from challenge.records.canonical import canonical_json
from challenge.records.errors import RecordError
from challenge.records.keys import fingerprint
from challenge.records.record import write_record
from challenge.records.verify import verify
from fl_core.durable import Disk

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def make_run(folder: Path) -> Path:
    (folder / "figures").mkdir(parents=True)
    (folder / "checkpoint").mkdir()
    (folder / "rounds.csv").write_bytes(b"round\n0\n")
    (folder / "model.safetensors").write_bytes(bytes(range(256)))
    (folder / "figures" / "timeline.svg").write_bytes(b"<svg/>")
    write_record(folder, {"seed": 7, "threads": 1}, KEY, Disk())
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


def rewrite(
    run: Path, change: Callable[[dict[str, Any]], object], key: Ed25519PrivateKey | None = None
) -> None:
    """Change the record, canonically written, and sign it again with `key` if there is one."""
    record = json.loads((run / "record.json").read_bytes())
    change(record)
    if key is not None:
        record.pop("signature")
        record["signature"] = key.sign(canonical_json(record)).hex()
    (run / "record.json").write_bytes(canonical_json(record))


@pytest.mark.parametrize("name", [".", "record.json"])
def test_an_untouched_run_is_intact(run: Path, name: str) -> None:
    verdict = verify(run / name, [OTHER.public_key(), KEY.public_key()])
    assert verdict.intact
    assert verdict.signer == "known"
    assert verdict.fingerprint == fingerprint(KEY.public_key())
    assert verdict.problems == ()
    assert verdict.facts == {"seed": 7, "threads": 1}


def test_intact_and_signer_are_separate(run: Path) -> None:
    stranger = verify(run, [OTHER.public_key()])
    assert (stranger.intact, stranger.signer) == (True, "unknown")
    (run / "rounds.csv").write_bytes(b"round\n1\n")
    changed = verify(run, [KEY.public_key()])
    assert (changed.intact, changed.signer) == (False, "known")


def test_each_problem_names_its_file(run: Path) -> None:
    (run / "rounds.csv").write_bytes(b"round\n0\n\n")
    (run / "model.safetensors").unlink()
    (run / "figures" / "more.svg").write_bytes(b"")
    assert verify(run, []).problems == (
        "figures/more.svg: not named in the record",
        "model.safetensors: missing",
        "rounds.csv: changed",
    )


def test_a_link_to_the_same_bytes_is_a_problem(run: Path, tmp_path: Path) -> None:
    shutil.move(run / "rounds.csv", tmp_path / "elsewhere.csv")
    (run / "rounds.csv").symlink_to(tmp_path / "elsewhere.csv")
    verdict = verify(run, [])
    assert not verdict.intact
    assert "symbolic link" in verdict.problems[0]


def test_the_checkpoint_may_change(run: Path) -> None:
    (run / "checkpoint" / "state").write_bytes(b"anything")
    assert verify(run, []).intact


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["facts"].update(seed=8),
        lambda record: record["facts"].update(seed=7.0),
        lambda record: record["facts"].update(more=1),
        lambda record: record.update(more=1),
        lambda record: record["files"].pop("rounds.csv"),
        lambda record: record["signer"].update(public_key=OTHER.public_key().public_bytes_raw().hex()),
        lambda record: record.update(signature="00" * 64),
    ],
)
def test_a_changed_record_has_no_signer(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    rewrite(run, change)
    verdict = verify(run, [KEY.public_key(), OTHER.public_key()])
    assert (verdict.intact, verdict.signer, verdict.fingerprint) == (False, "none", "")
    assert "record.json: the signature does not fit; facts or digests were changed" in verdict.problems


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda record: record.pop("signature"), "no signature"),
        (lambda record: record.update(signature="zz"), "no signature"),
        (lambda record: record.update(signature=record["signature"].upper()), "no signature"),
        (lambda record: record["signer"].update(algorithm="none"), "no public key"),
        (lambda record: record["signer"].update(public_key=5), "no public key"),
        (lambda record: record.update(signer=None), "no public key"),
    ],
)
def test_a_record_without_a_signature_says_so(
    run: Path, change: Callable[[dict[str, Any]], object], what: str
) -> None:
    rewrite(run, change)
    verdict = verify(run, [KEY.public_key()])
    assert (verdict.intact, verdict.signer) == (False, "none")
    assert any(what in problem for problem in verdict.problems)


def test_one_who_signs_anew_is_not_the_known_signer(run: Path) -> None:
    (run / "rounds.csv").write_bytes(b"round,score\n0,1.0\n")
    write_record(run, {"seed": 7}, OTHER, Disk())
    verdict = verify(run, [KEY.public_key()])
    assert (verdict.intact, verdict.signer) == (True, "unknown")


def test_signed_nonsense_is_not_intact(run: Path) -> None:
    rewrite(run, lambda record: record.update(files=["rounds.csv"]), KEY)
    assert verify(run, [KEY.public_key()]).problems == ("record.json: names no files",)
    rewrite(run, lambda record: record.update(files={"../run/rounds.csv": "00"}), KEY)
    assert "../run/rounds.csv: missing" in verify(run, []).problems


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"schema": "record/1", "facts": NaN}', b"[" * 100000, b"\xff\xfe"]
)
def test_a_record_that_is_no_record_is_not_intact(run: Path, content: bytes) -> None:
    (run / "record.json").write_bytes(content)
    verdict = verify(run, [KEY.public_key()])
    assert (verdict.intact, verdict.signer) == (False, "none")
    assert verdict.problems[0].startswith("record.json: ")


def test_the_same_values_in_other_bytes_are_a_problem(run: Path) -> None:
    record = json.loads((run / "record.json").read_bytes())
    (run / "record.json").write_text(json.dumps(record))
    verdict = verify(run, [KEY.public_key()])
    assert not verdict.intact
    assert verdict.problems == ("record.json: its bytes are not those that were written",)


def test_no_record_and_an_unknown_schema_are_errors(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"nowhere.* cannot be read"):
        verify(tmp_path / "nowhere", [])
    rewrite(run, lambda record: record.update(schema="record/2"))
    with pytest.raises(RecordError, match="'record/2', this version reads 'record/1'"):
        verify(run, [])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(data=st.data())
def test_any_one_changed_byte_of_any_file_is_found(tmp_path: Path, data: st.DataObject) -> None:
    run = tmp_path / "run"
    if not run.exists():
        make_run(run)
    names = ["record.json", "rounds.csv", "model.safetensors", "figures/timeline.svg"]
    path = run / data.draw(st.sampled_from(names))
    before = path.read_bytes()
    at = data.draw(st.integers(0, len(before) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != before[at]))
    path.write_bytes(before[:at] + bytes([byte]) + before[at + 1 :])
    try:
        assert not verify(run, [KEY.public_key()]).intact
    except RecordError as error:
        assert "schema" in str(error)  # the byte was in the schema's name
    finally:
        path.write_bytes(before)
    assert verify(run, [KEY.public_key()]).intact
