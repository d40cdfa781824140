"""Outages that are imposed on real connections: the site tries again and ends with the same bytes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from mutual_tls import Hall, TestAuthority, hall
from served_work import do_work, outcome, post, some_model

from fl_core.transport.board import Delivered
from fl_core.transport.channel import open_channel
from fl_core.transport.errors import ConnectionClosed
from fl_core.transport.imposed_outages import Cut, Decision, Delay, ImposedOutages, Pass, Refuse


@pytest.fixture(scope="module")
def authority() -> TestAuthority:
    return TestAuthority.new()


class Trace:
    """Decisions by method, one a call; everything passes once they are used up."""

    def __init__(self, **by_method: list[Decision]) -> None:
        self.by_method = by_method
        self.calls: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def __call__(self, site: str, method: str) -> Decision:
        with self._lock:
            self.calls[site, method] += 1
            left = self.by_method.get(method, [])
            return left.pop(0) if left else Pass()


def ends_well(here: Hall, folder: Path) -> None:
    content = some_model(1_000_000)  # two parts
    post(here, folder, content=content)
    site = here.connect("a")
    assert do_work(site, folder) == (content, content[::-1])
    event = outcome(here)
    assert isinstance(event, Delivered) and event.update is not None
    assert event.update.read_bytes() == content[::-1]
    assert here.board.next_event(0) is None or not isinstance(here.board.next_event(0), Delivered)
    site.close()


OUTAGES: dict[str, dict[str, list[Decision]]] = {
    "refused": {
        method: [Refuse("down"), Refuse("down")] for method in ("Join", "Follow", "Download", "Upload")
    },
    "the delivery refused": {"Deliver": [Refuse("down"), Refuse("down")]},
    "a download cut": {"Download": [Cut(0), Cut(2_100_000)]},
    "an upload cut": {"Upload": [Cut(0), Cut(2_100_000)]},
    "the answers lost": {
        "Join": [Cut(0)],
        "Deliver": [Cut(0), Cut(0)],
        "HowFar": [Cut(0)],
        "Upload": [Cut(0)],
    },
    "the instructions cut": {"Follow": [Cut(0)]},
    "delayed": {method: [Delay(0.2)] for method in ("Join", "Follow", "Download", "Upload", "Deliver")},
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_a_site_gets_through_with_the_same_bytes(
    tmp_path: Path, authority: TestAuthority, outage: str
) -> None:
    imposed = {method: list(decisions) for method, decisions in OUTAGES[outage].items()}
    trace = Trace(**imposed)
    before = time.monotonic()
    with hall(tmp_path, authority, {"a"}, interceptors=[ImposedOutages(trace)]) as here:
        ends_well(here, tmp_path)
    assert not any(trace.by_method.values()), "every outage happened"
    for method, decisions in OUTAGES[outage].items():
        again = sum(not isinstance(decision, Delay) for decision in decisions)
        assert trace.calls["a", method] >= again + 1
    if outage == "delayed":
        assert time.monotonic() - before >= 1.0


def test_a_cut_transfer_goes_on_where_it_broke_off(tmp_path: Path, authority: TestAuthority) -> None:
    trace = Trace(Download=[Cut(2_100_000)] * 3, Upload=[Cut(2_100_000)] * 3)
    with hall(tmp_path, authority, {"a"}, interceptors=[ImposedOutages(trace)]) as here:
        content = some_model(2_000_000)  # four parts of 2 MiB: one arrives before each cut
        post(here, tmp_path, content=content)
        site = here.connect("a")
        assert do_work(site, tmp_path) == (content, content[::-1])
        site.close()
    assert trace.calls["a", "Download"] == 4
    assert trace.calls["a", "Upload"] in (4, 5)  # where a cut overtook the last part that came before it


def test_each_site_is_known_by_its_certificate(tmp_path: Path, authority: TestAuthority) -> None:
    asked: list[tuple[str, str]] = []

    def decide(site: str, method: str) -> Decision:
        asked.append((site, method))
        return Refuse("b is down") if site == "b" and len(asked) < 8 else Pass()

    with hall(tmp_path, authority, {"a", "b"}, interceptors=[ImposedOutages(decide)]) as here:
        a, b = here.connect("a"), here.connect("b")
        assert a.join().name == "a"
        assert b.join().name == "b"
        assert asked == [("a", "Join"), *[("b", "Join")] * 7]
        a.close()
        b.close()


def test_a_delay_does_not_outlast_the_site(tmp_path: Path, authority: TestAuthority) -> None:
    trace = Trace(Join=[Delay(60)])
    with hall(tmp_path, authority, {"a"}, interceptors=[ImposedOutages(trace)]) as here:
        site = here.connect("a")
        ended: list[ConnectionClosed] = []

        def join() -> None:
            try:
                site.join()
            except ConnectionClosed as closed:
                ended.append(closed)

        joining = threading.Thread(target=join)
        joining.start()
        while not trace.calls:
            time.sleep(0.01)
        site.close()
        joining.join(5)
        assert len(ended) == 1
        began = time.monotonic()
    assert time.monotonic() - began < 10


def test_other_services_pass(tmp_path: Path, authority: TestAuthority) -> None:
    trace = Trace()
    with hall(tmp_path, authority, {"a"}, interceptors=[ImposedOutages(trace)]) as here:
        with open_channel(here.target, authority.site("a")) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            assert health.Check(health_pb2.HealthCheckRequest(), timeout=10).status == 1
            with pytest.raises(grpc.RpcError) as none:
                channel.unary_unary("/fl_core.v1.Federation/Nothing")(b"", timeout=10)
            assert none.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert not trace.calls
