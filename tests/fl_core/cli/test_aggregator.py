"""``fx aggregator start``: what it refuses, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import urllib.request
from pathlib import Path

import pytest
from mutual_tls import TestAuthority, now
from workspaces import Federation, Process, fx, make_federation

from fl_core.cli.aggregator import endpoint_of, listen_address
from fl_core.errors import InputError
from fl_core.pki.certificate import Role


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    return make_federation(tmp_path_factory.mktemp("made") / "f", ("one",))


@pytest.fixture
def federation(made: Federation, tmp_path: Path) -> Federation:
    return made.copy(tmp_path / "f")


def refused(federation: Federation, *words: str) -> str:
    done = fx("aggregator", "start", *words, cwd=federation.aggregator)
    assert done.returncode == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def test_outside_of_a_workspace(tmp_path: Path) -> None:
    done = fx("aggregator", "start", cwd=tmp_path)
    assert done.returncode == 2 and "fx workspace create" in done.stderr


def test_a_plan_that_changed_since_it_was_frozen(federation: Federation) -> None:
    (federation.aggregator / "src" / "more.py").write_text("x = 1\n")
    assert "changed since they were frozen" in refused(federation)


def test_missing_certificates_name_the_commands(federation: Federation) -> None:
    (federation.aggregator / "cert" / "server" / "agg_localhost.crt").unlink()
    line = refused(federation)
    assert "cert/server/agg_localhost.crt is missing" in line
    assert "`fx aggregator generate-cert-request --fqdn localhost`" in line
    assert "`fx aggregator certify --fqdn localhost`" in line

    (federation.aggregator / "cert" / "cert_chain.crt").unlink()
    assert "cert/cert_chain.crt is missing; make it with `fx workspace certify`" in refused(federation)


def test_a_key_that_others_may_read(federation: Federation) -> None:
    (federation.aggregator / "cert" / "server" / "agg_localhost.key").chmod(0o644)
    assert "chmod 600" in refused(federation)


def test_a_certificate_of_another_authority(federation: Federation) -> None:
    key, chain, _ = TestAuthority.new().leaf(Role.SERVER, "localhost", at=now())
    server = federation.aggregator / "cert" / "server"
    (server / "agg_localhost.key").write_bytes(key)
    (server / "agg_localhost.crt").write_bytes(chain)
    assert "was not signed by an authority of the chain" in refused(federation)


def test_a_site_s_certificate_is_no_server_s(federation: Federation) -> None:
    key, chain, _ = TestAuthority.new().leaf(Role.CLIENT, "localhost", at=now())
    server = federation.aggregator / "cert" / "server"
    (server / "agg_localhost.key").write_bytes(key)
    (server / "agg_localhost.crt").write_bytes(chain)
    assert "serverAuth" in refused(federation)


def test_options_that_make_no_sense(federation: Federation) -> None:
    assert "write PORT or HOST:PORT" in refused(federation, "--prometheus", "here")
    assert "give one of them" in refused(
        federation, "--key-passphrase", "env:X", "--passphrase-file", "secret.txt"
    )


def test_a_plan_without_tls_is_not_led(federation: Federation) -> None:
    plan = federation.aggregator / "plan" / "plan.yaml"
    plan.write_text(plan.read_text().replace("agg_addr: localhost", "agg_addr: localhost\n    tls: false"))
    federation.changed()
    assert "network.settings.tls: both sides show certificates" in refused(federation)


def test_where_it_listens() -> None:
    assert listen_address("agg.example.org", 50000) == "[::]:50000"
    assert listen_address("10.0.0.1", 50000) == "[::]:50000"
    assert listen_address("localhost", 50000) == "localhost:50000"
    assert listen_address("::1", 50000) == "[::1]:50000"
    assert endpoint_of("[::1]:9000") == ("::1", 9000)
    for wrong in ("", ":9000", "a:b", "70000", "-1"):
        with pytest.raises(InputError):
            endpoint_of(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_a_word_on_how_to_go_on(federation: Federation, number: int) -> None:
    aggregator = Process.start("aggregator", "start", "--prometheus", "0", cwd=federation.aggregator)
    try:
        aggregator.wait_for("round 0 (of 3)")
        [where] = [line.split()[-1] for line in aggregator.text.splitlines() if "/metrics" in line]
        with urllib.request.urlopen(where, timeout=10) as answer:
            assert b"fl_rounds 3.0" in answer.read()
        assert where.startswith("http://127.0.0.1:")
        second = fx("aggregator", "start", cwd=federation.aggregator)
        assert second.returncode == 2 and "another" in second.stderr.lower()
        aggregator.signal(number)
        assert aggregator.end() == 1
    finally:
        aggregator.kill()

    assert aggregator.text.splitlines()[-1] == "to go on: fx aggregator start"
    assert "Traceback" not in aggregator.text and "interrupted" not in aggregator.text


def test_a_port_that_is_taken(federation: Federation) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = fx(
            "aggregator",
            "start",
            "--listen",
            f"127.0.0.1:{other.getsockname()[1]}",
            cwd=federation.aggregator,
        )
    assert done.returncode == 2 and "the port is taken" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_strangers_are_one_line_each_in_the_log(federation: Federation) -> None:
    aggregator = Process.start("aggregator", "start", cwd=federation.aggregator)
    try:
        aggregator.wait_for("listening on localhost:")
        [line] = [line for line in aggregator.text.splitlines() if line.startswith("listening")]
        port = int(line.split(";")[0].rpartition(":")[2])
        with socket.create_connection(("localhost", port), 10) as link:
            link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            link.settimeout(10)
            while link.recv(100):
                pass
        aggregator.wait_for("refused: ")
        aggregator.signal()
        assert aggregator.end() == 1
    finally:
        aggregator.kill()

    refusals = [line for line in aggregator.text.splitlines() if "refused" in line]
    assert len(refusals) == 1 and refusals[0].endswith(": it speaks plain HTTP, not TLS")
    assert "handshaker.cc" not in aggregator.text


@pytest.mark.slow
def test_a_passphrase_is_asked_for_and_never_shown(federation: Federation, tmp_path: Path) -> None:
    server = federation.aggregator / "cert" / "server"
    key = server / "agg_localhost.key"
    from fl_core.pki.keys import key_pem, read_key

    plain = read_key(key)
    key.unlink()
    os.close(os.open(key, os.O_CREAT, 0o600))
    key.write_bytes(key_pem(plain, b"swordfish"))
    (tmp_path / "pass").write_text("swordfish\n")
    (tmp_path / "wrong").write_text("marlin\n")

    assert "is encrypted" in refused(federation)
    wrong = refused(federation, "--passphrase-file", str(tmp_path / "wrong"))
    assert "marlin" not in wrong and "swordfish" not in wrong
    aggregator = Process.start(
        "aggregator", "start", "--passphrase-file", str(tmp_path / "pass"), cwd=federation.aggregator
    )
    try:
        aggregator.wait_for("listening on")
        aggregator.signal()
        assert aggregator.end() == 1 and "swordfish" not in aggregator.text
    finally:
        aggregator.kill()
