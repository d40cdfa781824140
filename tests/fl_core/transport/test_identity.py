"""Who may call: the name in the certificate, if the list has it and nobody took it back."""

from __future__ import annotations

import logging
import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest
from mutual_tls import Hall, TestAuthority, hall
from served_work import do_work, outcome, post, some_model

from fl_core.pki.certificate import Role
from fl_core.pki.keys import KeyType
from fl_core.transport.board import Delivered, Joined, Left
from fl_core.transport.channel import SiteCredentials
from fl_core.transport.errors import Refused
from fl_core.transport.server import ServerCredentials

NAMES = ("a", "b", "A", "a.b", "hospital_1")


@pytest.fixture(scope="module")
def authority() -> TestAuthority:
    return TestAuthority.new()


def refused_in(caplog: pytest.LogCaptureFixture, text: str) -> str:
    found = [r.getMessage() for r in caplog.records if r.name == "fl_core.transport.gate"]
    line = next((line for line in found if text in line), "")
    assert line.startswith("refused: "), found
    return line


@pytest.mark.parametrize("listed", [(), ("a",), ("b", "hospital_1"), NAMES], ids=str)
def test_the_name_in_the_certificate_must_be_on_the_list(
    tmp_path: Path, authority: TestAuthority, listed: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with hall(tmp_path, authority, set(listed)) as here:
        for name in NAMES:
            site = here.connect(name)
            if name in listed:
                assert site.join().name == name
            else:
                with pytest.raises(Refused, match=f"'{name}' is not on the aggregator's list") as refused:
                    site.join()
                assert refused.value.exit_code == 2
                assert "Join of ipv4:127.0.0.1" in refused_in(caplog, f"'{name}' is not on")
            site.close()


def test_nothing_but_the_certificate_tells_who_calls(tmp_path: Path, authority: TestAuthority) -> None:
    with hall(tmp_path, authority, {"a", "b"}) as here:
        post(here, tmp_path, "a", content=some_model())
        b = here.connect("b")
        b.join()
        with pytest.raises(Refused, match="belongs to no work of b"):
            b.download(post(here, tmp_path, "a", key="1").model)
        b.close()


def test_a_name_taken_off_the_list_is_refused_at_its_next_call(
    tmp_path: Path, authority: TestAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    with hall(tmp_path, authority, {"a", "b"}) as here:
        a, b = here.connect("a"), here.connect("b")
        post(here, tmp_path, "a")
        instructions = a.instructions()
        work = next(instructions)
        here.names.remove("a")
        with pytest.raises(Refused, match="'a' is not on the aggregator's list"):
            a.download(work.model)  # type: ignore[union-attr]
        with pytest.raises(Refused, match="'a' is not on the aggregator's list"):
            next(instructions)  # the open call ends too, and the site knows why
        refused_in(caplog, "'a' is not on")
        assert here.board.next_event(1) == Joined("a")
        left = here.board.next_event(5)
        assert isinstance(left, Left) and "is not on the aggregator's list" in left.reason
        here.names.add("a")
        goes_on(here, tmp_path, "b")
        goes_on(here, tmp_path, "a")
        a.close()
        b.close()


def test_a_revoked_certificate_is_refused_while_it_is_connected_and_after(
    tmp_path: Path, authority: TestAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    key, chain, certificate = authority.leaf(Role.CLIENT, "a")
    with hall(tmp_path, authority, {"a"}) as here:
        a = here.connect(SiteCredentials(key, chain, authority.roots))
        work = post(here, tmp_path, "a")
        instructions = a.instructions()
        assert next(instructions) == work
        here.revoked.add(certificate.serial_number)
        reason = rf"certificate of a \(serial {certificate.serial_number:x}\) was revoked"
        with pytest.raises(Refused, match=reason):
            a.download(work.model)
        with pytest.raises(Refused, match=reason):
            next(instructions)
        a.close()
        again = here.connect(SiteCredentials(key, chain, authority.roots))
        with pytest.raises(Refused, match=reason):
            again.join()
        again.close()
        refused_in(caplog, "was revoked")
        goes_on(here, tmp_path, "a")  # with a new certificate of the same name


def goes_on(here: Hall, folder: Path, name: str) -> None:
    content = some_model(seed=3)
    post(here, folder, name, key=f"of-{name}", content=content)
    site = here.connect(name)
    assert do_work(site, folder)[0] == content
    event = outcome(here)
    assert isinstance(event, Delivered) and event.site == name
    site.close()


SERVERS = {
    "a client's": ("was not made for a server", "a", Role.CLIENT, False),
    "for another name": ("is not for localhost", "elsewhere.example.org", Role.SERVER, False),
    "expired": ("is not valid now", "localhost", Role.SERVER, True),
}


@pytest.mark.parametrize("wrong", SERVERS)
def test_a_site_does_not_talk_to_a_wrong_server(tmp_path: Path, authority: TestAuthority, wrong: str) -> None:
    told, name, role, expired = SERVERS[wrong]
    site = authority.site(name, expired=expired, role=role)
    shown = ServerCredentials(site.key, site.chain, authority.roots)
    with hall(tmp_path, authority, {"a"}, credentials=shown) as here:
        connection = here.connect("a")
        with pytest.raises(Refused, match=told) as refused:
            connection.join()
        assert refused.value.exit_code == 2
        assert here.board.present() == ()
        connection.close()


@pytest.mark.parametrize(("server", "client"), list(product(KeyType, KeyType)), ids=str)
def test_rsa_and_ecdsa_speak_with_each_other(tmp_path: Path, server: KeyType, client: KeyType) -> None:
    authority = TestAuthority.new(server)
    key, chain, _ = authority.leaf(Role.SERVER, "localhost", kind=server)
    with hall(tmp_path, authority, {"a"}, credentials=ServerCredentials(key, chain, authority.roots)) as here:
        key, chain, _ = authority.leaf(Role.CLIENT, "a", kind=client)
        site = here.connect(SiteCredentials(key, chain, authority.roots))
        assert site.join().name == "a"
        site.close()


KINDS = {
    "ecdsa": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"),
    "rsa": ("-newkey", "rsa:3072"),
}


def openssl_leaf(folder: Path, kind: str, subject: str, extensions: str) -> tuple[bytes, bytes]:
    """Return key and certificate, signed by the folder's root."""

    def run(*words: str) -> None:
        done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    new = ("req", *KINDS[kind], "-nodes", "-sha384", "-utf8")
    if not (folder / "root.crt").exists():
        run(*new, "-x509", "-keyout", "root.key", "-out", "root.crt", "-subj", "/CN=Hospital", "-days", "9")
    (folder / "leaf.ext").write_text(extensions)
    run(*new, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", subject)
    ends = ("-CA", "root.crt", "-CAkey", "root.key", "-CAcreateserial", "-days", "5", "-sha384")
    run("x509", "-req", "-in", "leaf.csr", "-out", "leaf.crt", *ends, "-extfile", "leaf.ext")
    return (folder / "leaf.key").read_bytes(), (folder / "leaf.crt").read_bytes()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the command openssl is not installed")
@pytest.mark.parametrize("kind", KINDS)
def test_certificates_made_by_openssl(tmp_path: Path, kind: str, authority: TestAuthority) -> None:
    alternative = "extendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost\n"
    server = openssl_leaf(tmp_path, kind, "/CN=localhost", alternative)
    client = openssl_leaf(tmp_path, kind, "/C=DE/O=Hospital/CN=a", "extendedKeyUsage=clientAuth\n")
    plain = openssl_leaf(tmp_path, kind, "/CN=a", "basicConstraints=CA:FALSE\n")
    root = (tmp_path / "root.crt").read_bytes()
    with hall(tmp_path, authority, {"a"}, credentials=ServerCredentials(*server, root)) as here:
        content = some_model()
        post(here, tmp_path, content=content)
        site = here.connect(SiteCredentials(*client, root))
        assert do_work(site, tmp_path)[0] == content
        site.close()
        without_usage = here.connect(SiteCredentials(*plain, root))
        with pytest.raises(Refused, match="extended key usage lacks clientAuth"):
            without_usage.join()
        without_usage.close()


ODD = (r"..\/..\/x", "a b", "-a", "ä", "a\x01")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the command openssl is not installed")
def test_odd_names_are_refused_even_where_they_are_listed(
    tmp_path: Path, authority: TestAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    alternative = "extendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost\n"
    server = openssl_leaf(tmp_path, "ecdsa", "/CN=localhost", alternative)
    root = (tmp_path / "root.crt").read_bytes()
    listed = {name.replace("\\", "") for name in ODD}
    with hall(tmp_path, authority, {"a", *listed}, credentials=ServerCredentials(*server, root)) as here:
        for name in ODD:
            client = openssl_leaf(tmp_path, "ecdsa", f"/CN={name}", "extendedKeyUsage=clientAuth\n")
            site = here.connect(SiteCredentials(*client, root))
            caplog.clear()
            with pytest.raises(Refused, match="is no name of a collaborator"):
                site.join()
            site.close()
            assert refused_in(caplog, "is no name of a collaborator").isprintable()
        assert list((tmp_path / "spool").iterdir()) == []
        client = openssl_leaf(tmp_path, "ecdsa", "/CN=a", "extendedKeyUsage=clientAuth\n")
        content = some_model()
        post(here, tmp_path, content=content)
        site = here.connect(SiteCredentials(*client, root))
        assert do_work(site, tmp_path)[0] == content
        site.close()


def test_keys_are_never_shown(authority: TestAuthority, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for credentials in (authority.site("a"), authority.server()):
        assert "PRIVATE" not in f"{credentials!r} {credentials}"
    assert "PRIVATE" not in caplog.text
