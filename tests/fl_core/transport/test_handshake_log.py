"""Refused handshakes: what gRPC's core really prints, read and thinned out, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutual_tls import TestAuthority

from fl_core.transport.handshake_log import (
    PER_REASON,
    WINDOW_S,
    HandshakeReader,
    Refusal,
    Thinned,
    reason_of,
)

SERVER = """
import logging, os, socket, ssl, sys, time
from pathlib import Path
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
from fl_core.transport.handshake_log import HandshakeLog
folder, flood = Path(sys.argv[1]), int(sys.argv[2])

def read(name): return (folder / name).read_bytes()

def tls(port, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if name:
        context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as link, context.wrap_socket(link) as secure:
            secure.settimeout(5)
            return bool(secure.recv(1))
    except OSError:
        return False

def raw(port, content):
    with socket.create_connection(("127.0.0.1", port), 5) as link:
        link.sendall(content)
        link.settimeout(5)
        try:
            while link.recv(100): pass
        except OSError:
            pass

with HandshakeLog() as handshakes:
    import grpc
    from concurrent.futures import ThreadPoolExecutor
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.server_handshake_timeout_ms", 700)])
    credentials = grpc.ssl_server_credentials([(read("server.key"), read("server.crt"))], read("roots"), True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    print("good", tls(port, "good"))
    for name in (None, "other", "expired"):
        print(name, tls(port, name))
    raw(port, b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    for _ in range(flood):
        raw(port, os.urandom(200).replace(b"G", b"g"))
    silent = socket.create_connection(("127.0.0.1", port), 5)
    time.sleep(1.2)
    os.write(2, b"words of another library\\n")
    print("python's own words", file=sys.stderr)
    server.stop(0).wait()
print("after", file=sys.stderr)
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    ours, theirs = TestAuthority.new(), TestAuthority.new()
    server = ours.server()
    shown = {
        "server": server,
        "good": ours.site("good"),
        "other": theirs.site("other"),
        "expired": ours.site("expired", expired=True),
    }
    for name, credentials in shown.items():
        (folder / f"{name}.key").write_bytes(credentials.key)
        (folder / f"{name}.crt").write_bytes(credentials.chain)
    (folder / "roots").write_bytes(ours.roots)
    return folder


def run(certificates: Path, flood: int) -> tuple[str, list[str]]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GRPC_")}
    done = subprocess.run(
        [sys.executable, "-c", SERVER, str(certificates), str(flood)],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        check=True,
    )
    return done.stdout, done.stderr.splitlines()


def test_every_refusal_is_one_line_with_peer_and_reason(certificates: Path) -> None:
    stdout, lines = run(certificates, 1)

    assert stdout.splitlines() == ["good True", "None False", "other False", "expired False"]
    refused = [line.split(": ", 2) for line in lines if "refused" in line]
    assert [parts[2] for parts in refused] == [
        "no client certificate",
        "its certificate was signed by an unknown authority",
        "its certificate has expired",
        "it speaks plain HTTP, not TLS",
        refused[4][2],
        "it did not finish the TLS handshake in time",
    ]
    assert refused[4][2] in ("it does not speak TLS", "the TLS handshake failed (wrong ssl version)")
    assert all(parts[0] == "WARNING refused" and parts[1].startswith("127.0.0.1:") for parts in refused)
    assert len({parts[1] for parts in refused}) == 6
    others = [line for line in lines if "refused" not in line]
    assert sorted(others) == ["after", "python's own words", "words of another library"]


def test_a_flood_does_not_fill_the_log(certificates: Path) -> None:
    _, lines = run(certificates, 500)

    garbage = [line for line in lines if "does not speak TLS" in line and "more connections" not in line]
    counted = sum(int(line.split()[2]) for line in lines if "more connections" in line)
    assert len(lines) < 60
    # Random bytes: a few look like a record of TLS and have reasons of their own.
    assert PER_REASON <= len(garbage) <= 20 and counted > 400


def test_refusals_are_thinned_by_reason_and_time() -> None:
    told: list[str] = []
    now = [0.0]
    thinned = Thinned(told.append, lambda: now[0])
    for number in range(PER_REASON + 3):
        thinned.add(Refusal(f"p{number}", "garbage"))
    thinned.add(Refusal("q", "expired"))
    assert told == [*[f"refused: p{n}: garbage" for n in range(PER_REASON)], "refused: q: expired"]

    now[0] = WINDOW_S
    thinned.add(Refusal("r", "garbage"))
    assert told[-2:] == ["refused: 3 more connections in 10 s: garbage", "refused: r: garbage"]

    thinned.tick(over=True)
    assert len(told) == PER_REASON + 3, "nothing was held back since"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: certificate is not yet valid: OK", "not yet valid"),
        (
            "OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: odd thing: OK",
            "its certificate is not valid: odd thing",
        ),
        ("OPENSSL_internal:UNSUPPORTED_PROTOCOL: Invalid context: OK", "too old"),
        ("OPENSSL_internal:SOME_NEW_CODE: x", "the TLS handshake failed (some new code)"),
        ("UNAVAILABLE: Handshake read failed (Socket closed)", "it hung up during the TLS handshake"),
        ("something else", "the TLS handshake failed (something else)"),
    ],
)
def test_reasons_in_plain_words(error: str, reason: str) -> None:
    assert reason in reason_of(error)


def test_peers_of_both_families_and_errors_over_several_lines() -> None:
    reader = HandshakeReader()
    head = "I1124 08:17:41.858251   15925 handshaker.cc:155] CallNextHandshakerLocked: "
    ours = [
        f"{head}error=OK shutdown=false index=0, args={{endpoint=0x7f}}",
        "I1124 08:17:41.858209   15925 ssl_transport_security.cc:2563] Handshake failed with error x",
        f"{head}error=UNKNOWN: Ssl handshake failed: OPENSSL_internal:HTTP_REQUEST: Invalid context: OK",
        "=== Source Location Trace: === ",
        "src/core/util/status_helper.cc:68",
    ]
    assert [reader.take(line) for line in ours] == [None] * 5
    end = " shutdown=false index=2, args={a=1, grpc.internal.endpoint_peer_address=ipv6:%5B::1%5D:44792, b=2}"
    assert reader.take(end) == Refusal("[::1]:44792", "it speaks plain HTTP, not TLS")
    other = "E1124 08:17:41.858251   15925 elsewhere.cc:1] something that an operator should see"
    assert reader.take(other) == other and reader.take("and its second line") == "and its second line"


@given(st.lists(st.text(max_size=80), max_size=20))
def test_lines_of_others_pass_untouched(lines: list[str]) -> None:
    reader = HandshakeReader()
    assert [reader.take(line) for line in lines] == lines
