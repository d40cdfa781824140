"""Proxies between a hospital and the world: asked with CONNECT, with a password, and those that look in."""

from __future__ import annotations

import ssl
import threading
import time
from pathlib import Path

import pytest
from mutual_tls import TestAuthority, hall
from rough_network import Asked, RoughNetwork, http_connect, inspecting
from served_work import do_work, outcome, post, some_model

from fl_core.transport.board import Delivered
from fl_core.transport.errors import Refused

VARIABLES = (
    "grpc_proxy",
    "https_proxy",
    "http_proxy",
    "no_grpc_proxy",
    "no_proxy",
    "HTTPS_PROXY",
    "NO_PROXY",
)
CONTENT = some_model(100_000)


@pytest.fixture(scope="module")
def authority() -> TestAuthority:
    return TestAuthority.new()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("variable", ["https_proxy", "grpc_proxy"])
@pytest.mark.parametrize(("user", "password"), [("", ""), ("hospital", "s3cret:%/@")])
def test_a_site_works_through_a_proxy(
    tmp_path: Path,
    authority: TestAuthority,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    variable: str,
    user: str,
    password: str,
) -> None:
    asked = Asked()
    with hall(tmp_path, authority, {"a"}) as here:
        with RoughNetwork(http_connect(asked, user, password)) as proxy:
            who = "hospital:s3cret%3A%25%2F%40@" if user else ""
            monkeypatch.setenv(variable, f"http://{who}127.0.0.1:{proxy.port}")
            post(here, tmp_path, content=CONTENT)
            site = here.connect("a")
            assert do_work(site, tmp_path) == (CONTENT, CONTENT[::-1])
            site.close()
            assert proxy.down_bytes > len(CONTENT) and proxy.up_bytes > len(CONTENT)
        assert isinstance(outcome(here), Delivered)
    assert set(asked.lines) == {(f"CONNECT localhost:{here.port} HTTP/1.1", True)}
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("who", ["", "hospital:wrong@"])
def test_a_proxy_that_wants_another_password_is_the_last_word(
    tmp_path: Path, authority: TestAuthority, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    asked = Asked()
    connect = http_connect(asked, "hospital", "right")
    with hall(tmp_path, authority, {"a"}) as here, RoughNetwork(connect) as proxy:
        monkeypatch.setenv("https_proxy", f"http://{who}127.0.0.1:{proxy.port}")
        site = here.connect("a")
        with pytest.raises(Refused) as refused:
            site.join()
        site.close()
    assert str(refused.value) == (
        f"the proxy 127.0.0.1:{proxy.port} does not connect to localhost:{here.port}: "
        "HTTP/1.1 407 Proxy Authentication Required"
    )
    assert refused.value.exit_code == 2
    assert asked.lines and not any(allowed for _, allowed in asked.lines)


def test_an_aggregator_that_starts_again_behind_a_proxy_is_found_again(
    tmp_path: Path,
    authority: TestAuthority,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with RoughNetwork(http_connect(Asked())) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        with hall(tmp_path, authority, {"a"}) as here:
            site = here.connect("a")
            site.join()
        joined: list[str] = []
        thread = threading.Thread(target=lambda: joined.append(site.join().name))
        thread.start()
        until = time.monotonic() + 20
        while caplog.text.count("join failed") < 3:  # the proxy answers 503, which is no last word
            assert time.monotonic() < until
            time.sleep(0.02)
        with hall(tmp_path, authority, {"a"}, address=f"127.0.0.1:{here.port}"):
            thread.join(20)
            assert joined == ["a"]
            site.close()


def test_no_proxy_is_respected(
    tmp_path: Path, authority: TestAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked()
    with hall(tmp_path, authority, {"a"}) as here, RoughNetwork(http_connect(asked)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "example.org,localhost")
        site = here.connect("a")
        assert site.join().name == "a"
        site.close()
    assert asked.lines == []


def gateway(folder: Path) -> tuple[ssl.SSLContext, str]:
    """Return the TLS of a gateway that signs for any name, and the issuer that it shows."""
    own = TestAuthority.new()
    shown = own.server()
    (folder / "gateway.pem").write_bytes(shown.key + b"\n" + shown.chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "gateway.pem")
    context.set_alpn_protocols(["h2"])
    return context, own.authority.certificate.subject.rfc4514_string()


@pytest.mark.parametrize("way", ["transparent", "behind CONNECT"])
def test_a_gateway_that_looks_into_tls_is_named_by_its_issuer(
    tmp_path: Path, authority: TestAuthority, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    context, issuer = gateway(tmp_path)
    asked = Asked()
    with (
        hall(tmp_path, authority, {"a"}) as here,
        RoughNetwork(inspecting(context)) as inspector,
        RoughNetwork(http_connect(asked)) as proxy,
    ):
        if way == "behind CONNECT":
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        site = here.connect("a", target=inspector.target)
        with pytest.raises(Refused) as refused:
            site.join()
        site.close()
    text = str(refused.value)
    assert f"shows a certificate issued by {issuer}, which the federation's authority did not sign" in text
    assert "it inspects TLS: ask IT to let this address through uninspected" in text
    assert refused.value.exit_code == 2
    assert bool(asked.lines) == (way == "behind CONNECT")
