"""``fx collaborator start``: what it refuses, how it ends, and a federation of processes over mutual TLS."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from mutual_tls import TestAuthority
from workspaces import Federation, Process, fx, make_federation

from fl_core.pki.keys import read_key, write_key
from fl_core.tensors.codec import read_file


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    return make_federation(tmp_path_factory.mktemp("made") / "f", ("one", "two"))


@pytest.fixture
def federation(made: Federation, tmp_path: Path) -> Federation:
    return made.copy(tmp_path / "f")


def refused(federation: Federation, *words: str, name: str = "one") -> str:
    done = fx("collaborator", "start", "-n", name, *words, cwd=federation.site("one"))
    assert done.returncode == 2, done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: ")
    return line


def start(federation: Federation, name: str, *words: str) -> Process:
    return Process.start("collaborator", "start", "-n", name, *words, cwd=federation.site(name))


def test_missing_certificates_name_the_commands(federation: Federation) -> None:
    client = federation.site("one") / "cert" / "client"
    assert "`fx collaborator generate-cert-request -n three`" in refused(federation, name="three")
    (client / "col_one.crt").unlink()
    line = refused(federation)
    assert "`fx collaborator certify --import agg_to_col_one_signed_cert.zip`" in line
    assert "operator" in line


def test_a_certificate_of_another_name(federation: Federation) -> None:
    client = federation.site("one") / "cert" / "client"
    shutil.copy(client / "col_one.crt", client / "col_two.crt")
    shutil.copy(client / "col_one.key", client / "col_two.key")
    assert "is one's, not two's" in refused(federation, name="two")


def test_an_expired_certificate_is_seen_before_anybody_is_called(federation: Federation) -> None:
    client = federation.site("one") / "cert" / "client"
    credentials = TestAuthority.new().site("one", expired=True)
    (client / "col_one.crt").write_bytes(credentials.chain)
    (client / "col_one.key").write_bytes(credentials.key)
    line = refused(federation)
    assert "col_one.crt: ended " in line and "[expired]" in line


def test_names_that_are_none(federation: Federation) -> None:
    assert "is no name of a collaborator" in refused(federation, name="../one")


def test_an_encrypted_key_needs_its_passphrase(federation: Federation) -> None:
    key = federation.site("one") / "cert" / "client" / "col_one.key"
    plain = read_key(key)
    key.unlink()
    write_key(key, plain, b"swordfish")
    assert "is encrypted" in refused(federation)


def test_nobody_there_is_tried_for_as_long_as_told(federation: Federation) -> None:
    done = fx("collaborator", "start", "-n", "one", "--retry-for", "0.5", cwd=federation.site("one"))
    assert done.returncode == 1 and "could not be reached" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_ended_sites_call_nobody(federation: Federation) -> None:
    from fl_core.federation.kept import open_kept
    from fl_core.workspace.frozen import frozen_now

    workspace = federation.site("one")
    folder = workspace / "state" / "col_one"
    with open_kept(folder, frozen_now(workspace / "plan" / "plan.yaml").hash) as kept:
        kept.note_farewell("over after 3 rounds")
        busy = fx("collaborator", "start", "-n", "one", cwd=workspace)
        assert busy.returncode == 2 and "works for this site" in busy.stderr

    done = fx("collaborator", "start", "-n", "one", cwd=workspace)

    assert done.returncode == 0 and "connecting" not in done.stderr
    assert "over after 3 rounds (this site has read so; for a new run remove state/col_one)" in done.stderr


@pytest.mark.slow
def test_a_federation_of_processes_ends_with_initial_plus_rounds(federation: Federation) -> None:
    initial, _ = read_file(federation.aggregator / "save" / "init.safetensors")
    processes = [Process.start("aggregator", "start", "--linger", "30", cwd=federation.aggregator)]
    try:
        processes += [start(federation, name) for name in federation.sites]
        codes = [process.end() for process in processes]
    finally:
        for process in processes:
            process.kill()

    assert codes == [0, 0, 0], [process.text for process in processes]
    for which in ("last", "best"):
        found, _ = read_file(federation.aggregator / "save" / f"{which}.safetensors")
        assert set(found) == set(initial)
        for name, array in initial.items():
            step = 3 if np.issubdtype(array.dtype, np.floating) else 0
            assert found[name].dtype == array.dtype and np.array_equal(found[name], array + step), which
    assert "connected as one" in processes[1].text and "the federation is over" in processes[1].text


@pytest.mark.slow
def test_another_plan_is_told_at_once_and_once(federation: Federation) -> None:
    (federation.site("one") / "src" / "more.py").write_text("x = 1\n")
    aggregator = Process.start("aggregator", "start", cwd=federation.aggregator)
    try:
        aggregator.wait_for("listening on")
        began = time.monotonic()
        done = fx("collaborator", "start", "-n", "one", cwd=federation.site("one"))
        took_s = time.monotonic() - began
        assert done.returncode == 2
        errors = [line for line in done.stderr.splitlines() if "plan" in line]
        assert len(errors) == 1 and errors[0].startswith("error: ")
        assert took_s < 10, "two seconds on a machine that does nothing else"
        joins = [line for line in aggregator.text.splitlines() if "refused" in line]
        assert len(joins) <= 1
    finally:
        aggregator.kill()


@pytest.mark.slow
def test_a_site_that_the_list_does_not_name(federation: Federation) -> None:
    (federation.aggregator / "plan" / "cols.yaml").write_text("collaborators: [two]\n")
    aggregator = Process.start("aggregator", "start", cwd=federation.aggregator)
    try:
        aggregator.wait_for("listening on")
        done = fx("collaborator", "start", "-n", "one", cwd=federation.site("one"))
        assert done.returncode == 2
        assert "'one' is not on the aggregator's list of collaborators" in done.stderr.splitlines()[-1]
        aggregator.wait_for("refused: Join")
    finally:
        aggregator.kill()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_site_that_ends_in_a_task_goes_on_where_it_was(federation: Federation, number: int) -> None:
    federation.changed(pause_s=1.0)
    aggregator = Process.start("aggregator", "start", cwd=federation.aggregator)
    one, two = start(federation, "one"), start(federation, "two")
    try:
        one.wait_for("round 1: ")
        one.signal(number)
        code = one.end()
        if number == signal.SIGTERM:
            assert code == 1
            last = one.text.splitlines()[-1]
            assert last == "stopped by SIGTERM; nothing is lost; to go on: fx collaborator start -n one"
        one = start(federation, "one")
        assert [one.end(), two.end(), aggregator.end(90)] == [0, 0, 0]
    finally:
        for process in (aggregator, one, two):
            process.kill()

    initial, _ = read_file(federation.aggregator / "save" / "init.safetensors")
    last, _ = read_file(federation.aggregator / "save" / "last.safetensors")
    floats = [name for name, array in initial.items() if np.issubdtype(array.dtype, np.floating)]
    assert floats and all(np.array_equal(last[name], initial[name] + 3) for name in floats)
    assert "Traceback" not in one.text + aggregator.text


@pytest.mark.slow
def test_what_a_site_keeps_lies_where_it_says(federation: Federation) -> None:
    workspace = federation.site("two")
    aggregator = Process.start("aggregator", "start", cwd=federation.aggregator)
    one = start(federation, "one")
    two = start(federation, "two", "--state", str(workspace / "st"))
    try:
        assert [one.end(), two.end(), aggregator.end()] == [0, 0, 0]
    finally:
        for process in (aggregator, one, two):
            process.kill()
    assert (workspace / "st" / "site.json").is_file() and not (workspace / "state").exists()


@pytest.mark.slow
def test_authorities_that_do_not_know_each_other_are_one_clear_error(federation: Federation) -> None:
    aggregator = Process.start("aggregator", "start", cwd=federation.aggregator)
    try:
        aggregator.wait_for("listening on")
        (federation.site("one") / "cert" / "cert_chain.crt").write_bytes(TestAuthority.new().roots)
        done = fx("collaborator", "start", "-n", "one", cwd=federation.site("one"))
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 2
        assert "shows a certificate issued by CN=" in done.stderr and "inspects TLS" in done.stderr

        stranger = TestAuthority.new().site("two")
        client = federation.site("two") / "cert" / "client"
        (client / "col_two.crt").write_bytes(stranger.chain)
        (client / "col_two.key").write_bytes(stranger.key)
        done = fx("collaborator", "start", "-n", "two", cwd=federation.site("two"))
        assert done.returncode == 2 and "does not accept this site's certificate" in done.stderr
        aggregator.wait_for("its certificate was signed by an unknown authority")
    finally:
        aggregator.kill()
