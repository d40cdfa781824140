import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from challenge.cli.verify import verify
from challenge.records.canonical import canonical_json
from challenge.records.errors import SigningKeyError
from challenge.records.keys import fingerprint, load_or_create_key, public_key_path
from challenge.records.machine import machine_facts
from challenge.records.record import write_record
from fl_core.durable import Disk

app = typer.Typer()
app.command()(verify)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHALLENGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def run(tmp_path: Path, home: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "rounds.csv").write_text("round\n0\n")
    write_record(folder, {"machine": machine_facts(threads=1)}, load_or_create_key(home), Disk())
    return folder


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_an_intact_run_of_this_user(run: Path, home: Path) -> None:
    mark = fingerprint(load_or_create_key(home).public_key())
    for path in (run, run / "record.json"):
        result = call(path)
        assert result.exit_code == 0
        assert result.stdout == f"intact: yes\nsigner: known ({mark})\n"


def test_a_changed_run_fails_and_names_the_file(run: Path) -> None:
    (run / "rounds.csv").write_text("round\n1\n")
    (run / "extra").write_text("")
    result = call(run)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[:3] == ["intact: no", "  extra: not named in the record", "  rounds.csv: changed"]
    assert lines[3].startswith("signer: known")


def test_an_unknown_signer_is_an_error_only_with_a_trusted_key(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_or_create_key(tmp_path / "other")
    monkeypatch.setenv("CHALLENGE_HOME", str(tmp_path / "other"))
    result = call(run)
    assert result.exit_code == 0
    assert "signer: unknown (sha256:" in result.stdout
    result = call(run, "--trusted-key", public_key_path(tmp_path / "other"))
    assert result.exit_code == 1
    assert "intact: yes" in result.stdout
    assert "none of the keys in" in result.stderr
    result = call(run, "--trusted-key", public_key_path(tmp_path / "home"))
    assert result.exit_code == 0
    assert "signer: known" in result.stdout


def test_verifying_makes_no_key(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHALLENGE_HOME", str(tmp_path / "empty"))
    assert call(run).exit_code == 0
    assert not (tmp_path / "empty").exists()


def test_it_says_where_equal_bytes_are_not_to_be_expected(run: Path, home: Path) -> None:
    facts = {"machine": machine_facts(threads=1) | {"python": "2.7"}}
    write_record(run, facts, load_or_create_key(home), Disk())
    result = call(run)
    assert result.exit_code == 0
    assert "note: a repetition here need not give equal bytes: python 2.7 there" in result.stdout


def test_a_trusted_key_that_is_none_is_named(run: Path) -> None:
    result = call(run, "--trusted-key", run / "rounds.csv")
    assert isinstance(result.exception, SigningKeyError)
    assert "holds no public key" in str(result.exception)


def test_a_record_without_a_signature_has_no_signer(run: Path) -> None:
    record = json.loads((run / "record.json").read_bytes())
    del record["signature"]
    (run / "record.json").write_bytes(canonical_json(record))
    result = call(run)
    assert result.exit_code == 1
    assert "signer: none\n" in result.stdout
