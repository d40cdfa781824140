"""A network that drops, holds, slows down and damages: the same bytes arrive, or a named error in time."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from mutual_tls import PLAN, QUICK, Hall, TestAuthority, hall
from rough_network import RoughNetwork, Treatment, calm, corrupt, cut, half_close, stall, throttle
from served_work import do_work, named, outcome, post, some_model

from fl_core.transport import server
from fl_core.transport.board import Delivered
from fl_core.transport.channel import SiteCredentials, channel_options, open_channel
from fl_core.transport.client import SiteConnection
from fl_core.transport.errors import GaveUp
from fl_core.transport.limits import Limits
from fl_core.transport.messages import Delivery
from fl_core.transport.retry import RetryPolicy

LIMITS = replace(Limits(), part_bytes=1 << 18, beat_s=0.5, silent_s=30.0)
CONTENT = some_model(1_500_000)  # 6 MB
EAGER = {
    "grpc.keepalive_time_ms": 1000,
    "grpc.keepalive_timeout_ms": 1000,
    "grpc.http2.ping_timeout_ms": 1000,
    "grpc.http2.min_ping_interval_without_data_ms": 500,
}
PATIENT = RetryPolicy(first_s=0.02, longest_s=0.2, gives_up_after_s=60.0)


@pytest.fixture(scope="module")
def authority() -> TestAuthority:
    return TestAuthority.new()


def through(
    network: RoughNetwork, here: Hall, policy: RetryPolicy = PATIENT, *, eager: bool = False
) -> SiteConnection:
    """Connect through a network; an eager site notices a dead connection in about two seconds."""
    credentials = here.authority.site("a")
    channel = (eager_channel if eager else open_channel)(network.target, credentials)
    return SiteConnection(channel, PLAN, policy, stalled_s=1.0 if eager else 10.0)


def eager_channel(target: str, credentials: SiteCredentials) -> grpc.Channel:
    secure = grpc.ssl_channel_credentials(credentials.roots, credentials.key, credentials.chain)
    return grpc.secure_channel(target, secure, list((dict(channel_options()) | EAGER).items()))


@pytest.fixture
def eager_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server notice a dead connection as soon."""
    usual = server.server_options

    def eager(limits: Limits) -> list[tuple[str, object]]:
        return list((dict(usual(limits)) | EAGER).items())

    monkeypatch.setattr(server, "server_options", eager)


ROUGH: dict[str, Callable[[], Treatment]] = {
    "dropped at once": lambda: cut(100, connections=3),
    "dropped in the handshake": lambda: cut(3000, connections=3),
    "dropped in the middle, again and again": lambda: cut(2_500_000),
    "held for a while": lambda: stall(2_000_000, seconds=3.0, connections=2),
    "held for good": lambda: stall(2_000_000, connections=2),
    "held for good before a word": lambda: stall(-1, connections=1),
    "damaged": lambda: corrupt(2_000_000, connections=3),
    "damaged in the handshake": lambda: corrupt(500, connections=2),
    "closed by the aggregator's side": lambda: half_close(2_000_000, 2, down=True),
    "closed by the site's side": lambda: half_close(2_000_000, 2, down=False),
}
SLOW = {"held for good", "held for a while", "held for good before a word"}


@pytest.mark.usefixtures("eager_server")
@pytest.mark.parametrize(
    "rough", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in ROUGH]
)
def test_the_same_bytes_arrive(tmp_path: Path, authority: TestAuthority, rough: str) -> None:
    with hall(tmp_path, authority, {"a"}, limits=LIMITS) as here:
        post(here, tmp_path, content=CONTENT)
        with RoughNetwork(here.port, ROUGH[rough]()) as network:
            site = through(network, here, eager=True)
            began = time.monotonic()
            assert do_work(site, tmp_path) == (CONTENT, CONTENT[::-1])
            assert time.monotonic() - began < 60
            assert network.connections >= 2, "the network was rough"
            site.close()
        event = outcome(here)
        assert isinstance(event, Delivered) and event.update is not None
        assert event.update.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("way", ["down", "up"])
def test_a_broken_transfer_goes_on_from_the_byte_it_reached(
    tmp_path: Path, authority: TestAuthority, way: str
) -> None:
    content = some_model(6_000_000)
    (tmp_path / "update").write_bytes(content)
    with hall(tmp_path, authority, {"a"}, limits=LIMITS) as here:
        post(here, tmp_path, content=content)
        with RoughNetwork(here.port, cut(10_000_000, connections=2)) as network:
            site = through(network, here)
            site.join()
            if way == "down":
                assert bytes(site.download(named(content))) == content
            else:
                site.upload(tmp_path / "update", named(content))
                assert here.spool.take("a", named(content)).read_bytes() == content
            assert network.connections == 3
            # Only what was on its way when a connection broke is sent twice.
            sent = network.down_bytes if way == "down" else network.up_bytes
            assert len(content) < sent < 1.5 * len(content)
            site.close()


def test_a_slow_network_is_only_slow(tmp_path: Path, authority: TestAuthority) -> None:
    content = some_model(150_000)
    with hall(tmp_path, authority, {"a"}, limits=replace(LIMITS, part_bytes=1 << 16)) as here:
        post(here, tmp_path, content=content)
        with RoughNetwork(here.port, throttle(1_000_000)) as network:
            site = through(network, here)
            assert do_work(site, tmp_path)[0] == content
            assert network.connections == 1, "slow is not broken"
            site.close()


@pytest.mark.parametrize("broken", ["nobody listens", "every connection is cut"])
def test_a_network_that_stays_broken_is_given_up_in_time(
    tmp_path: Path, authority: TestAuthority, broken: str
) -> None:
    impatient = RetryPolicy(first_s=0.02, longest_s=0.2, gives_up_after_s=1.0)
    with hall(tmp_path, authority, {"a"}, limits=LIMITS) as here, ExitStack() as stack:
        network = stack.enter_context(RoughNetwork(here.port, cut(100)))
        if broken == "nobody listens":
            stack.close()
        site = through(network, here, impatient)
        began = time.monotonic()
        with pytest.raises(GaveUp, match="join: the aggregator could not be reached for") as gave_up:
            site.join()
        assert gave_up.value.exit_code == 1
        assert time.monotonic() - began < 30
        site.close()


@pytest.mark.slow
def test_a_middlebox_that_cuts_idle_connections(tmp_path: Path, authority: TestAuthority) -> None:
    with hall(tmp_path, authority, {"a"}, limits=replace(LIMITS, beat_s=0.2)) as here:
        post(here, tmp_path)
        with RoughNetwork(here.port, idle_s=1.2) as network:
            with socket.create_connection(("127.0.0.1", network.port), 5) as idle:
                idle.settimeout(10)
                assert idle.recv(1) == b""  # it does cut
            assert network.idle_cuts == 1
            site = through(network, here)
            work = do_work(site, tmp_path)
            waiting = threading.Thread(target=lambda: list(site.instructions()))
            waiting.start()
            time.sleep(3.0)  # a site that waits, for longer than twice the limit
            assert network.idle_cuts == 1 and network.connections == 2
            assert here.board.present() == ("a",)
            here.board.finish("over")
            waiting.join(10)
            assert not waiting.is_alive() and work
            site.close()


def test_keep_alives_come_before_a_minute_is_over() -> None:
    site, aggregator = dict(channel_options()), dict(server.server_options(Limits()))
    for options in (site, aggregator):
        assert options["grpc.keepalive_time_ms"] < 60_000
        assert options["grpc.keepalive_permit_without_calls"] == 1
        assert options["grpc.keepalive_timeout_ms"] == options["grpc.http2.ping_timeout_ms"] == 20_000
    assert site["grpc.keepalive_time_ms"] == 20_000
    assert site["grpc.http2.max_pings_without_data"] == 0  # without an end
    assert aggregator["grpc.http2.max_ping_strikes"] == 0
    assert aggregator["grpc.http2.min_ping_interval_without_data_ms"] < site["grpc.keepalive_time_ms"]
    assert Limits().beat_s < 60


@pytest.mark.parametrize("during", ["download", "upload"])
def test_the_aggregator_starts_again_in_the_middle(
    tmp_path: Path, authority: TestAuthority, during: str
) -> None:
    update = CONTENT[::-1]
    (tmp_path / "out").write_bytes(update)
    failed: list[BaseException] = []

    def transfer(site: SiteConnection) -> None:
        try:
            if during == "download":
                assert bytes(site.download(named(CONTENT))) == CONTENT
            else:
                site.upload(tmp_path / "out", named(update))
        except BaseException as error:  # noqa: BLE001  # a thread's, asserted below
            failed.append(error)

    with RoughNetwork(lambda site: socket.create_connection(("127.0.0.1", ports[-1]), 5)) as network:
        ports: list[int] = []
        with hall(tmp_path, authority, {"a"}, limits=LIMITS) as here:
            ports.append(here.port)
            post(here, tmp_path, content=CONTENT)
            site = through(network, here)
            site.join()
            network.treatment = throttle(4_000_000)
            thread = threading.Thread(target=transfer, args=(site,))
            thread.start()
            while max(network.up_bytes, network.down_bytes) < 2_000_000:
                time.sleep(0.01)
        with hall(tmp_path, authority, {"a"}, limits=LIMITS, address=f"127.0.0.1:{ports[0]}") as here:
            network.treatment = calm
            post(here, tmp_path, content=CONTENT)
            site.join()  # as the thread that follows the instructions does
            thread.join(30)
            assert not thread.is_alive() and failed == []
            if during == "upload":
                assert site.deliver(Delivery("0", 0, (), named(update))) == ""
                event = outcome(here)
                assert isinstance(event, Delivered) and event.update is not None
                assert event.update.read_bytes() == update
            site.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_the_aggregators_disk_is_full_for_a_while(
    tmp_path: Path,
    authority: TestAuthority,
    number: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    written, usual = [0], os.pwrite

    def pwrite(handle: int, content: bytes, offset: int) -> int:
        written[0] += 1
        if 3 <= written[0] <= 6:
            raise OSError(number, os.strerror(number))
        return usual(handle, content[: max(1, len(content) // 2)], offset)  # writes may be short, too

    monkeypatch.setattr(os, "pwrite", pwrite)
    with hall(tmp_path, authority, {"a"}, limits=LIMITS) as here:
        post(here, tmp_path, content=CONTENT)
        site = here.connect("a", policy=QUICK)
        assert do_work(site, tmp_path) == (CONTENT, CONTENT[::-1])
        event = outcome(here)
        assert isinstance(event, Delivered) and event.update is not None
        assert event.update.read_bytes() == CONTENT[::-1]
        site.close()
    reason = "the aggregator's disk is full" if number != errno.EIO else "the aggregator's disk: Input/output"
    assert "refused: Upload of a at ipv4:127.0.0.1" in caplog.text
    assert caplog.text.count(f"upload failed (RESOURCE_EXHAUSTED: {reason}") == 4
