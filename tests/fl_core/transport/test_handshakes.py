"""Who does not get through the handshake is named in the aggregator's log, and a working site works on."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta

import grpc
import pytest
from mutual_tls import PLAN, QUICK, TestAuthority, now
from served_hall import ServedHall, served_hall
from served_work import do_work, named, some_model

from fl_core.pki.certificate import Role
from fl_core.transport import methods
from fl_core.transport.channel import SiteCredentials, open_channel
from fl_core.transport.client import SiteConnection
from fl_core.transport.diagnosis import diagnosed
from fl_core.transport.errors import ConnectionClosed, Refused


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedHall]:
    """An aggregator, and a site that works all the time."""
    folder = tmp_path_factory.mktemp("hall")
    model = folder / "model"
    model.write_bytes(some_model())
    authority = TestAuthority.new()
    with served_hall(folder, authority, "a", model, named(some_model()).checksum) as here:
        site = connect(here, authority.site("a"))
        ended = threading.Event()

        def work() -> None:
            while not ended.is_set():
                try:
                    do_work(site, folder)
                except ConnectionClosed:
                    return
                ended.wait(0.02)

        thread = threading.Thread(target=work)
        thread.start()
        here.wait_for("delivered by a")
        yield here
        ended.set()
        site.close()
        thread.join(10)
        assert not thread.is_alive()


def connect(here: ServedHall, credentials: SiteCredentials) -> SiteConnection:
    explain = diagnosed(here.target, credentials, {})
    return SiteConnection(open_channel(here.target, credentials), PLAN, QUICK, explain=explain)


def still_works(here: ServedHall) -> None:
    before, until = here.deliveries(), time.monotonic() + 20
    while here.deliveries() < before + 2:
        assert time.monotonic() < until, "the working site delivers no more"
        time.sleep(0.02)


def wrong_certificates(authority: TestAuthority) -> dict[str, tuple[SiteCredentials, str, str]]:
    """Return credentials, what the aggregator's log says, and what the site is told, by what is wrong."""
    key, chain, _ = TestAuthority.new().leaf(Role.CLIENT, "a")
    later_key, later_chain, _ = authority.leaf(Role.CLIENT, "a", at=now() + timedelta(days=3))
    return {
        "wrong CA": (
            SiteCredentials(key, chain, authority.roots),
            "its certificate was signed by an unknown authority",
            "was not signed by an authority of the chain",
        ),
        "expired": (authority.site("a", expired=True), "its certificate has expired", "ended .*; renew it"),
        "not yet valid": (
            SiteCredentials(later_key, later_chain, authority.roots),
            "its certificate is not yet valid",
            "is the clock right",
        ),
        "a server's": (
            authority.site("localhost", role=Role.SERVER),
            "its certificate is not valid: .*purpose|lacks clientAuth",
            "lacks clientAuth",
        ),
    }


@pytest.mark.parametrize("wrong", ["wrong CA", "expired", "not yet valid", "a server's"])
def test_a_wrong_certificate_is_named_on_both_sides(here: ServedHall, wrong: str) -> None:
    credentials, logged, told = wrong_certificates(here.authority)[wrong]
    start = len(here.log())
    site = connect(here, credentials)
    with pytest.raises(Refused, match=told) as refused:
        site.join()
    assert refused.value.exit_code == 2
    site.close()
    line = here.wait_for(logged, start=start)
    assert "refused: " in line and "127.0.0.1" in line
    still_works(here)


def test_no_certificate(here: ServedHall) -> None:
    start = len(here.log())
    secure = grpc.ssl_channel_credentials(here.authority.roots)
    with grpc.secure_channel(here.target, secure) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(methods.JOIN.path)(b"", timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    here.wait_for("refused: .*127.0.0.1.*: no client certificate", start=start)
    still_works(here)


def test_a_site_that_does_not_know_the_aggregators_authority(here: ServedHall) -> None:
    start = len(here.log())
    key, chain, _ = here.authority.leaf(Role.CLIENT, "a")
    other = TestAuthority.new()
    site = connect(here, SiteCredentials(key, chain, other.roots))
    issuer = here.authority.authority.certificate.subject.rfc4514_string()
    with pytest.raises(Refused, match=f"issued by {issuer}.*did not sign"):
        site.join()
    site.close()
    here.wait_for("refused: .*127.0.0.1.*it hung up during the TLS handshake", start=start)
    still_works(here)


NOISE = {
    "garbage": (bytes(range(256)) * 8, "it does not speak TLS"),
    "plain HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "it speaks plain HTTP, not TLS"),
    "HTTP/2 without TLS": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(64), "it does not speak TLS"),
    "an old TLS": (b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x01" + bytes(200), "TLS"),
}


@pytest.mark.parametrize("noise", NOISE)
def test_what_is_no_tls_is_named(here: ServedHall, noise: str) -> None:
    content, reason = NOISE[noise]
    start = len(here.log())
    with socket.create_connection(("127.0.0.1", here.port), 5) as link:
        own = link.getsockname()[1]
        link.sendall(content)
        link.settimeout(10)
        with suppress(ConnectionError):
            while link.recv(4096):
                pass
    line = here.wait_for(f"refused: .*:{own}: ", start=start)
    assert reason in line
    still_works(here)


def test_a_handshake_that_is_broken_off(here: ServedHall) -> None:
    start = len(here.log())
    with socket.create_connection(("127.0.0.1", here.port), 5) as link:
        link.sendall(b"\x16\x03\x01")
    here.wait_for("refused: .*it hung up during the TLS handshake", start=start)
    still_works(here)


@pytest.mark.slow
def test_500_connections_that_say_nothing(here: ServedHall) -> None:
    start = len(here.log())
    with ExitStack() as links:
        for _ in range(500):
            links.enter_context(socket.create_connection(("127.0.0.1", here.port), 10))
        still_works(here)
        fresh = connect(here, here.authority.site("a"))  # a new connection gets through beside them
        assert fresh.join().name == "a"
        fresh.close()
    here.wait_for(r"refused: \d+ more connections in \d+ s: it hung up", timeout_s=30, start=start)
    lines = [line for line in here.log()[start:].splitlines() if "refused: " in line]
    assert len(lines) <= 20, "a flood of connections is no flood of lines"
    still_works(here)


@pytest.mark.slow
def test_a_handshake_that_stands_still_is_ended(here: ServedHall) -> None:
    start = len(here.log())
    with socket.create_connection(("127.0.0.1", here.port), 5) as link:
        link.sendall(b"\x16\x03\x01")
        link.settimeout(30)
        with suppress(ConnectionError):
            assert link.recv(1) in (b"", b"\x15")
        here.wait_for("refused: .*it did not finish the TLS handshake in time", start=start)
    still_works(here)


def test_tls_1_3_is_what_is_spoken(here: ServedHall) -> None:
    context = ssl.create_default_context(cadata=here.authority.roots.decode())
    with (
        socket.create_connection(("127.0.0.1", here.port), 5) as link,
        context.wrap_socket(link, server_hostname="localhost") as secure,
    ):
        assert secure.version() == "TLSv1.3"
