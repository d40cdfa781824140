"""Random bytes as every message of every call: refused by name, no fault in the server, others work on."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import grpc
import pytest
from mutual_tls import PLAN, TestAuthority, hall
from served_work import do_work, named, outcome, post, some_model

from fl_core.transport import federation_pb2 as pb
from fl_core.transport import methods
from fl_core.transport.board import Delivered
from fl_core.transport.channel import open_channel
from fl_core.transport.parts import Part, part_bytes

ROUNDS = 150
FAULTS = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}


def seeds() -> list[bytes]:
    """Return right messages, to be damaged."""
    content = some_model()
    blob = pb.Blob(checksum=named(content).checksum, size=len(content))
    delivery = pb.Delivery(
        key="0",
        results=[pb.TaskResult(task="train", metrics=[pb.Metric(name="loss", value=1)], rows='[{"a": 1}]')],
        update=blob,
    )
    return [
        pb.JoinRequest(oldest=1, newest=1, plan=PLAN).SerializeToString(),
        blob.SerializeToString(),
        pb.DownloadRequest(blob=blob, offset=3).SerializeToString(),
        delivery.SerializeToString(),
        pb.Progress(text="training").SerializeToString(),
        part_bytes(Part(0, content[:100], 1, named(content))),
    ]


def damaged(draw: random.Random, message: bytes) -> bytes:
    content = bytearray(message if draw.random() < 0.8 else draw.randbytes(draw.randrange(200)))
    for _ in range(draw.randrange(4)):
        if content:
            content[draw.randrange(len(content))] = draw.randrange(256)
    return bytes(content[: draw.randrange(len(content) + 1)] if draw.random() < 0.3 else content)


@pytest.mark.parametrize("method", methods.METHODS, ids=lambda method: method.name)
def test_random_messages(tmp_path: Path, method: methods.Method, caplog: pytest.LogCaptureFixture) -> None:
    draw, codes = random.Random(method.name), Counter[grpc.StatusCode]()
    authority = TestAuthority.new()
    with hall(tmp_path, authority, {"rogue", "a"}) as here:
        post(here, tmp_path, "rogue", content=some_model())
        with open_channel(here.target, authority.site("rogue")) as channel:
            channel.unary_unary(methods.JOIN.path)(seeds()[0], timeout=10)
            for _ in range(ROUNDS):
                messages = [damaged(draw, draw.choice(seeds())) for _ in range(draw.randint(1, 3))]
                codes[answer(channel, method, messages)] += 1
        post(here, tmp_path, "a", key="honest")
        site = here.connect("a")
        assert do_work(site, tmp_path)[0] == some_model()
        while not (isinstance(event := outcome(here), Delivered) and event.site == "a"):
            pass
        site.close()
    assert not FAULTS & set(codes), codes
    assert sum(codes.values()) == ROUNDS
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


def answer(channel: grpc.Channel, method: methods.Method, messages: list[bytes]) -> grpc.StatusCode:
    try:
        if method.requests:
            channel.stream_unary(method.path)(iter(messages), timeout=10)
        elif method.replies:
            call = channel.unary_stream(method.path)(messages[0], timeout=10)
            next(iter(call), None)
            call.cancel()
        else:
            channel.unary_unary(method.path)(messages[0], timeout=10)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK
