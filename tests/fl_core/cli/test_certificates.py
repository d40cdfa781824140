"""The commands around certificates, in the order in which the paper has them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from typer.testing import CliRunner, Result

from fl_core.cli import certificates
from fl_core.errors import FederationError
from fl_core.pki.serial import serial_text
from fl_core.pki.verify import check_server, client_identity

SECRET = "c0rrect-h0rse"

Fx = Callable[..., Result]


def mounted() -> typer.Typer:
    app = typer.Typer()
    for name, register in (
        ("workspace", certificates.register_workspace),
        ("aggregator", certificates.register_aggregator),
        ("collaborator", certificates.register_collaborator),
    ):
        group = typer.Typer()
        group.callback()(lambda: None)
        register(group)
        app.add_typer(group, name=name)
    return app


@pytest.fixture
def fx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fx:
    """Runs ``fx`` in a folder that stands for a machine."""
    app, runner = mounted(), CliRunner()

    def run(machine: str, words: str, answer: str | None = None) -> Result:
        (tmp_path / machine).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / machine)
        return runner.invoke(app, words.split(), input=answer)

    return run


def done(result: Result) -> Result:
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def error_of(result: Result) -> FederationError:
    assert isinstance(result.exception, FederationError), (result.output, result.exception)
    return result.exception


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_the_papers_steps(fx: Fx, tmp_path: Path, kind: str) -> None:
    key_type = f"--key-type {kind}"
    told = done(fx("agg", f"workspace certify {key_type}")).stdout.strip()
    done(fx("agg", f"aggregator generate-cert-request --fqdn agg.example.org {key_type}"))
    done(fx("agg", "aggregator certify --fqdn agg.example.org --silent"))
    printed = done(
        fx("site", f"collaborator generate-cert-request -n one -d /data/one {key_type}")
    ).stdout.strip()
    package = tmp_path / "site" / "col_one_to_agg_cert_request.zip"
    signed = done(fx("agg", f"collaborator certify --request-pkg {package}", answer="y\n"))
    reply = tmp_path / "agg" / "agg_to_col_one_signed_cert.zip"
    imported = done(fx("site", f"collaborator certify --import {reply}"))

    agg, site, now = tmp_path / "agg", tmp_path / "site", datetime.now(UTC)
    check_server((agg / "cert/server/agg_agg.example.org.crt").read_bytes(), "agg.example.org", now)
    identity = client_identity((site / "cert/client/col_one.crt").read_bytes(), now)
    assert identity.name == "one"
    assert f"SHA-256 fingerprint:  {printed}\n" in signed.stdout
    assert "subject:              CN=one\n" in signed.stdout
    assert (
        f"key:                  {'ECDSA secp384r1' if kind == 'ecdsa' else 'RSA 3072 bits'}" in signed.stdout
    )
    root = x509.load_pem_x509_certificates((agg / "cert/cert_chain.crt").read_bytes())[1]
    assert told == imported.stdout.strip() == root.fingerprint(hashes.SHA256()).hex()
    assert yaml.safe_load((agg / "plan/cols.yaml").read_text()) == {"collaborators": ["one"]}
    assert (site / "plan/data.yaml").read_text() == "one: /data/one\n"

    book = done(fx("agg", "workspace certify --list")).stdout.splitlines()
    assert [line.split()[1] for line in book] == ["status", *["valid"] * 4]
    assert book[-1].split()[0] == serial_text(identity.serial)
    ends = (datetime.now(UTC) + timedelta(days=365)).date()
    assert book[-1].split()[2:] == ["client", "one", str(ends - timedelta(days=365)), str(ends)]


@pytest.mark.parametrize(("answer", "told"), [("n\n", "not signed"), ("", "nobody answered; --silent")])
def test_nothing_is_signed_without_a_yes(fx: Fx, tmp_path: Path, answer: str, told: str) -> None:
    done(fx("agg", "workspace certify"))
    done(fx("agg", "aggregator generate-cert-request --fqdn localhost"))
    done(fx("site", "collaborator generate-cert-request -n one --silent"))
    package = tmp_path / "site" / "col_one_to_agg_cert_request.zip"

    for words in (f"collaborator certify --request-pkg {package}", "aggregator certify --fqdn localhost"):
        error = error_of(fx("agg", words, answer=answer))
        assert told in str(error) and error.exit_code == 1
    assert not (tmp_path / "agg/cert/ca/book.json").exists()
    assert not (tmp_path / "agg/plan").exists()
    assert not (tmp_path / "agg/cert/server/agg_localhost.crt").exists()


def test_revocation_and_renewal(fx: Fx, tmp_path: Path) -> None:
    done(fx("agg", "workspace certify"))
    done(fx("site", "collaborator generate-cert-request -n one"))
    sign = (
        f"collaborator certify --request-pkg {tmp_path / 'site' / 'col_one_to_agg_cert_request.zip'} --silent"
    )
    done(fx("agg", f"{sign} --days 10 --max-samples 70"))
    first = done(fx("agg", "workspace certify --list")).stdout.splitlines()[-1].split()
    again = done(fx("agg", sign))
    assert f"note: {first[0]}, valid to {first[5]}, stays valid until revoked\n" in again.stdout
    assert (
        done(fx("agg", f"workspace certify --revoke {first[0]} --reason superseded")).stdout
        == f"revoked {first[0]}\n"
    )

    rows = [line.split() for line in done(fx("agg", "workspace certify --list")).stdout.splitlines()[3:]]
    assert first[1] == "expiring" and rows[0][1] == "revoked" and rows[0][-1] == "superseded"
    assert rows[1][1] == "valid"
    assert yaml.safe_load((tmp_path / "agg/plan/cols.yaml").read_text()) == {
        "collaborators": [{"name": "one", "max_samples": 70}]
    }
    assert "no certificate of 'two'" in str(error_of(fx("agg", "workspace certify --revoke two")))


def test_encrypted_keys_and_no_passphrase_anywhere(
    fx: Fx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    monkeypatch.setenv("CA_PASS", SECRET)
    (tmp_path / "pass").write_text(f"{SECRET}\n")
    sign = f"collaborator certify --silent --request-pkg {tmp_path}/site/col_one_to_agg_cert_request.zip"
    ask, reply = "collaborator generate-cert-request -n one", f"{tmp_path}/agg/agg_to_col_one_signed_cert.zip"
    steps = [
        done(fx("agg", "workspace certify --key-passphrase env:CA_PASS")),
        done(fx("site", f"{ask} --key-passphrase file:{tmp_path}/pass")),
        fx("agg", sign),
        fx("agg", f"{sign} --key-passphrase prompt", answer="wrong\n"),
        fx("agg", f"{sign} --key-passphrase {SECRET}"),
        done(fx("agg", f"{sign} --key-passphrase prompt", answer=f"{SECRET}\n")),
        done(fx("site", f"collaborator certify --import {reply}")),
        done(fx("two", "workspace certify --key-passphrase prompt", answer=f"{SECRET}\n{SECRET}\n")),
    ]

    assert "signing.key: is encrypted; say where its passphrase is" in str(steps[2].exception)
    assert "signing.key: the passphrase is wrong" in str(steps[3].exception)
    assert "not the passphrase" in str(steps[4].exception)
    for step in steps:
        assert SECRET not in step.output + str(step.exception or "")
        assert "wrong\n" not in step.output
    assert SECRET not in caplog.text
    keys = [*tmp_path.rglob("*.key")]
    assert len(keys) == 5
    for key in keys:
        assert b"ENCRYPTED PRIVATE KEY" in key.read_bytes()
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or file.name == "pass" or SECRET.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("collaborator certify", "give one of --request-pkg"),
        ("collaborator certify --import a.zip --request-pkg b.zip", "give one of --request-pkg"),
        ("collaborator certify --import a.zip", "a.zip: no such file"),
        ("collaborator generate-cert-request -n ../one", "no name of a collaborator"),
        ("collaborator generate-cert-request -n one -d", "requires an argument"),
        ("aggregator generate-cert-request --fqdn a_b", "neither a DNS name"),
        ("aggregator certify --fqdn nowhere", "there is no such request"),
        ("workspace certify --list", "`fx workspace certify` makes one"),
        ("workspace certify --list --revoke one", "are two calls"),
        ("workspace certify --key-type dsa", "dsa"),
    ],
)
def test_a_wrong_call_is_exit_code_2_and_writes_nothing(
    fx: Fx, tmp_path: Path, words: str, told: str
) -> None:
    result = fx("agg", words)

    code = getattr(result.exception, "exit_code", result.exit_code)
    assert code == 2
    assert told in f"{result.output} {result.exception}"
    assert list((tmp_path / "agg").iterdir()) == []


def test_the_commands_load_nothing_heavy() -> None:
    code = (
        "import sys, fl_core.cli.certificates\n"
        "heavy = {'cryptography', 'pydantic', 'yaml', 'torch', 'grpc', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert found.stdout == "[]\n"
