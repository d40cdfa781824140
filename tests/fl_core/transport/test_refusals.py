"""Calls that break the rules, from a site that may call: each refused by name, and the others work on."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import xxhash
from mutual_tls import PLAN, Hall, TestAuthority, hall
from served_work import do_work, named, outcome, post, some_model

from fl_core.executor.base import TaskReport
from fl_core.tensors.header import Limits as FileLimits
from fl_core.transport import federation_pb2 as pb
from fl_core.transport import methods
from fl_core.transport.board import Delivered
from fl_core.transport.channel import open_channel
from fl_core.transport.errors import Refused
from fl_core.transport.handshake_log import PER_REASON
from fl_core.transport.limits import Limits
from fl_core.transport.messages import Delivery, Work
from fl_core.transport.methods import Method
from fl_core.transport.parts import Part, part_bytes

PART = 4096
LIMITS = replace(Limits(), part_bytes=PART, beat_s=0.2, silent_s=30.0, files=FileLimits(total_bytes=1 << 20))
CONTENT = some_model(3000)  # three parts


@pytest.fixture(scope="module")
def authority() -> TestAuthority:
    return TestAuthority.new()


class Rogue:
    """A site that may call and says what it likes."""

    def __init__(self, here: Hall, name: str = "rogue", *, join: bool = True) -> None:
        self.channel = open_channel(here.target, here.authority.site(name))
        if join:
            request = pb.JoinRequest(oldest=1, newest=1, plan=PLAN)
            assert pb.JoinReply.FromString(self.call(methods.JOIN, request.SerializeToString())).name == name

    def call(self, method: Method, request: bytes, **options: Any) -> bytes:
        if method.replies:
            return b"".join(self.channel.unary_stream(method.path)(request, timeout=10, **options))
        return bytes(self.channel.unary_unary(method.path)(request, timeout=10, **options))

    def upload(self, parts: Sequence[bytes]) -> bytes:
        return bytes(self.channel.stream_unary(methods.UPLOAD.path)(iter(parts), timeout=10))


@pytest.fixture
def here(tmp_path: Path, authority: TestAuthority) -> Iterator[Hall]:
    """A hall in which the rogue has work; after each test an honest site delivers."""
    with hall(tmp_path, authority, {"rogue", "a"}, limits=LIMITS) as here:
        post(here, tmp_path, "rogue", content=CONTENT)
        yield here
        post(here, tmp_path, "a", key="honest", content=CONTENT)
        site = here.connect("a")
        assert do_work(site, tmp_path) == (CONTENT, CONTENT[::-1])
        event = outcome(here)
        assert isinstance(event, Delivered) and event.site == "a"
        site.close()


def parts(
    content: bytes = CONTENT[::-1], offset: int = 0, size: int | None = None, step: int = PART
) -> list[bytes]:
    """Return the messages of a right upload, or of one that claims another size."""
    blob = named(content) if size is None else replace(named(content), size=size)
    messages = []
    for at in range(offset, len(content), step):
        data = content[at : at + step]
        messages.append(
            part_bytes(Part(at, data, xxhash.xxh3_64_intdigest(data), blob if at == offset else None))
        )
    return messages


def first(**fields: Any) -> bytes:
    return pb.Part(**fields).SerializeToString()


def damaged(message: bytes) -> bytes:
    return message[:100] + bytes([message[100] ^ 1]) + message[101:]


ZEROS = "xxh3:" + "0" * 32
UPLOADS: dict[str, tuple[list[bytes], str]] = {
    "nothing": ([], "names no blob"),
    "no blob": ([first(data=b"x")], "names no blob"),
    "a path": ([first(blob=pb.Blob(checksum="../../x", size=3))], "'../../x' is no checksum of a blob"),
    "an absolute path": ([first(blob=pb.Blob(checksum="/etc/x"))], "is no checksum of a blob"),
    "no message": ([b"\xff" * 40], "no message of the protocol"),
    "oversize": ([first(blob=pb.Blob(checksum=ZEROS, size=(1 << 20) + 1))], "a blob of 1048577 bytes"),
    "the largest size": ([first(blob=pb.Blob(checksum=ZEROS, size=(1 << 64) - 1))], "at most 1048576"),
    "a gap": ([parts()[0], parts()[2]], "a part at byte 8192 where byte 4096 is next"),
    "an overlap": ([parts()[0], parts(offset=4000)[0]], "a part at byte 4000 where byte 4096 is next"),
    "the end first": (parts(offset=8192), "a part at byte 8192 where byte 0 is next"),
    "too much": (parts(size=5000), "parts beyond the 5000 bytes"),
    "a damaged part": ([parts()[0], damaged(parts()[1])], "the part at byte 4096 was damaged"),
    "another content": (
        [first(blob=pb.Blob(checksum=ZEROS, size=3), data=b"abc", checksum=xxhash.xxh3_64_intdigest(b"abc"))],
        f"the blob that arrived is xxh3:.*, not {ZEROS}",
    ),
    "an oversize part": (parts(CONTENT * 40, step=PART + (1 << 16)), "larger than max"),
}


@pytest.mark.parametrize("wrong", UPLOADS)
def test_a_wrong_upload(here: Hall, wrong: str, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    messages, reason = UPLOADS[wrong]
    rogue = Rogue(here)
    with pytest.raises(grpc.RpcError, match=reason):
        rogue.upload(messages)
    if wrong != "an oversize part":  # gRPC ends the call by itself, before there is a word to log
        assert logged(caplog, "Upload of rogue at ipv4:127.0.0.1", reason.partition(".*")[0])
    assert not [path for path in tmp_path.rglob("*") if path.name in ("x", "x.part")]
    rogue.channel.close()


def logged(caplog: pytest.LogCaptureFixture, *texts: str) -> bool:
    return any(
        record.levelname == "WARNING" and all(text in record.getMessage() for text in ("refused: ", *texts))
        for record in caplog.records
    )


def test_an_upload_for_no_work_and_for_another_round(
    here: Hall, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    rogue = Rogue(here)
    delivery = pb.Delivery(key="0", round=7, results=[pb.TaskResult(task="train")])
    with pytest.raises(grpc.RpcError, match="work 0 is of round 0, not 7"):
        rogue.call(methods.DELIVER, delivery.SerializeToString())
    delivery.key = "of-another-site"
    with pytest.raises(grpc.RpcError, match="are not wanted: its work now is 0 of round 0"):
        rogue.call(methods.DELIVER, delivery.SerializeToString())
    here.board.withdraw("rogue", "too late")
    with pytest.raises(grpc.RpcError, match="rogue has no work, so there is nothing to upload"):
        rogue.upload(parts())
    assert logged(caplog, "Deliver of rogue", "is of round 0, not 7")
    assert logged(caplog, "Deliver of rogue", "are not wanted")
    assert logged(caplog, "Upload of rogue", "has no work")
    rogue.channel.close()


def test_replayed_uploads_and_deliveries_count_once(here: Hall, caplog: pytest.LogCaptureFixture) -> None:
    rogue = Rogue(here)
    update = named(CONTENT[::-1])
    for _ in range(3):
        assert pb.Stored.FromString(rogue.upload(parts())).bytes == update.size
    delivery = pb.Delivery(
        key="0",
        results=[pb.TaskResult(task="train")],
        update=pb.Blob(checksum=update.checksum, size=update.size),
    )
    for _ in range(3):
        assert rogue.call(methods.DELIVER, delivery.SerializeToString()) == b""
    delivery.results[0].samples = 10**9
    with pytest.raises(grpc.RpcError, match="was handed in before, with other results"):
        rogue.call(methods.DELIVER, delivery.SerializeToString())
    assert logged(caplog, "was handed in before, with other results")
    assert isinstance(outcome(here), Delivered)
    here.board.post("rogue", Work("1", 1, ("train",), named(CONTENT)))
    delivery.results[0].samples = 0
    assert rogue.call(methods.DELIVER, delivery.SerializeToString()) == b""  # the answer that it had
    assert here.board.next_event(0.2) is None
    rogue.channel.close()


def test_another_sites_blob(here: Hall, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    secret = some_model(seed=9)
    post(here, tmp_path, "a", key="secret", content=secret)
    rogue = Rogue(here)
    for blob, offset in ((named(secret), 0), (replace(named(CONTENT), size=8), 0)):
        request = pb.DownloadRequest(blob=pb.Blob(checksum=blob.checksum, size=blob.size), offset=offset)
        with pytest.raises(grpc.RpcError, match="belongs to no work of rogue"):
            rogue.call(methods.DOWNLOAD, request.SerializeToString())
    assert logged(caplog, "Download of rogue", "belongs to no work of rogue")
    own = named(CONTENT)
    beyond = pb.DownloadRequest(blob=pb.Blob(checksum=own.checksum, size=own.size), offset=2**64 - 1)
    assert rogue.call(methods.DOWNLOAD, beyond.SerializeToString()) == b""
    rogue.channel.close()


@pytest.mark.parametrize(
    "method", [m for m in methods.METHODS if m is not methods.JOIN], ids=lambda m: m.name
)
def test_calls_before_join(here: Hall, method: Method, caplog: pytest.LogCaptureFixture) -> None:
    rogue = Rogue(here, join=False)
    with pytest.raises(grpc.RpcError, match="join first"):
        rogue.upload(parts()) if method.requests else rogue.call(method, b"")
    assert logged(caplog, f"{method.name} of rogue at ipv4:", "join first")
    rogue.channel.close()


VERSIONS = {(0, 0): False, (2, 3): False, (5, 1): False, (0, 1): True, (1, 2): True, (0, 9): True}


@pytest.mark.parametrize("versions", VERSIONS, ids=str)
def test_versions_of_the_protocol(
    here: Hall, versions: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    rogue = Rogue(here, join=False)
    request = pb.JoinRequest(oldest=versions[0], newest=versions[1], plan=PLAN).SerializeToString()
    if VERSIONS[versions]:
        assert pb.JoinReply.FromString(rogue.call(methods.JOIN, request)).version == 1
    else:
        spoken = (
            f"rogue speaks versions {versions[0]} to {versions[1]} of the protocol, the aggregator 1 to 1"
        )
        with pytest.raises(grpc.RpcError, match=spoken) as refused:
            rogue.call(methods.JOIN, request)
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert logged(caplog, "Join of rogue", spoken)
    rogue.channel.close()


@pytest.mark.parametrize("method", [m for m in methods.METHODS if m.request], ids=lambda m: m.name)
def test_bytes_that_are_no_message(here: Hall, method: Method, caplog: pytest.LogCaptureFixture) -> None:
    rogue = Rogue(here)
    with pytest.raises(grpc.RpcError, match="no message of the protocol") as refused:
        rogue.call(method, b"\xff\xff\xff\x07garbage")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert logged(caplog, f"{method.name} of ipv4:127.0.0.1", "no message of the protocol")
    rogue.channel.close()


def test_oversize_messages_and_metadata(here: Hall) -> None:
    rogue = Rogue(here)
    with pytest.raises(grpc.RpcError, match="larger than max"):
        rogue.call(methods.DELIVER, bytes(PART + (1 << 16) + 1))
    with pytest.raises(grpc.RpcError) as refused:
        rogue.call(methods.BEAT, b"", metadata=[("x", "y" * 100_000)])
    assert refused.value.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
    rogue.channel.close()


def test_results_larger_than_a_message_are_told_at_the_site(here: Hall) -> None:
    site = here.connect("rogue")
    site.join()
    rows = tuple({"case": f"c{n}", "dice": 0.5} for n in range(10_000))
    told = site.deliver(Delivery("0", 0, (TaskReport("train", {}, 1, True, rows),)))
    assert "results without arrays take" in told and f"at most {PART + (1 << 16)} are taken" in told
    site.close()


def test_a_plan_mismatch_is_one_call_and_one_error_at_once(
    here: Hall, caplog: pytest.LogCaptureFixture
) -> None:
    began = time.monotonic()
    site = here.connect("rogue", plan="sha256:" + "1" * 64)
    with pytest.raises(Refused, match="plan mismatch: the aggregator's plan is sha256:0") as refused:
        next(site.instructions())
    assert refused.value.exit_code == 2
    assert time.monotonic() - began < 2.0
    assert caplog.text.count("refused: Join of rogue") == 1
    assert "attempt 2" not in caplog.text
    site.close()


def test_a_blob_that_no_machine_can_hold_is_refused_by_the_site(here: Hall) -> None:
    site = here.connect("rogue")
    for size in (1 << 62, (1 << 64) - 1):
        with pytest.raises(Refused, match=f"a blob of {size} bytes does not fit into this machine's memory"):
            site.download(replace(named(CONTENT), size=size))
    site.close()


def test_huge_numbers_of_things(here: Hall, caplog: pytest.LogCaptureFixture) -> None:
    rogue = Rogue(here)
    many = pb.TaskResult(task="train", metrics=[pb.Metric(name=str(n)) for n in range(2000)])
    deep = pb.TaskResult(task="train", rows="[" * 60_000)
    odd = pb.TaskResult(task="train", rows=json.dumps([{"case": "\x1b[2J\n"}]))
    for result, reason in ((many, "2000 metrics"), (deep, "no JSON"), (odd, "no list of values")):
        with pytest.raises(grpc.RpcError, match=reason):
            rogue.call(methods.DELIVER, pb.Delivery(key="0", results=[result]).SerializeToString())
        assert logged(caplog, "Deliver of rogue", reason)
    rogue.channel.close()


def test_what_a_site_says_cannot_forge_a_line(here: Hall, caplog: pytest.LogCaptureFixture) -> None:
    rogue = Rogue(here)
    forged = "training\nWARNING all is well" + chr(27) + "[2J"
    rogue.call(methods.BEAT, pb.Progress(text=forged).SerializeToString())
    told = here.board.next_event(1)
    assert told is not None and getattr(told, "text", "").startswith("training\\nWARNING")
    with pytest.raises(grpc.RpcError, match="plan mismatch"):
        rogue.call(methods.JOIN, pb.JoinRequest(oldest=1, newest=1, plan=forged).SerializeToString())
    assert all(record.getMessage().isprintable() for record in caplog.records)
    rogue.channel.close()


def test_500_calls_of_one_site(here: Hall, caplog: pytest.LogCaptureFixture) -> None:
    rogues = [Rogue(here) for _ in range(20)]
    ended = threading.Event()

    def nothing_yet() -> Iterator[bytes]:
        ended.wait(30)
        yield from ()

    calls = [
        rogue.channel.stream_unary(methods.UPLOAD.path).future(nothing_yet(), timeout=60)
        for rogue in rogues
        for _ in range(25)
    ]
    honest = here.connect("a")
    assert honest.join().name == "a"  # meanwhile
    honest.close()
    refused = 0
    while refused < 500 - LIMITS.calls:
        refused = sum(call.done() for call in calls)
    assert refused == 500 - LIMITS.calls
    ended.set()
    codes = Counter(call.exception(20).code() for call in calls)
    assert codes == {
        grpc.StatusCode.RESOURCE_EXHAUSTED: refused,
        grpc.StatusCode.INVALID_ARGUMENT: LIMITS.calls,
    }
    assert logged(caplog, "Upload of rogue at", f"rogue has {LIMITS.calls} calls open; no more are served")
    assert caplog.text.count("calls open; no more are served") == PER_REASON, "the others are counted"
    for rogue in rogues:
        rogue.channel.close()


def test_blobs_that_are_never_delivered(here: Hall, caplog: pytest.LogCaptureFixture) -> None:
    rogue = Rogue(here)
    for number in range(4):
        rogue.upload(parts(some_model(10, seed=number)))
    with pytest.raises(grpc.RpcError, match="4 blobs of rogue lie here already"):
        rogue.upload(parts(some_model(10, seed=4)))
    assert logged(caplog, "Upload of rogue", "lie here already")
    rogue.channel.close()
