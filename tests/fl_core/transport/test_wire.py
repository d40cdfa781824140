"""Messages and the values they stand for: there and back; what is no value is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_core.executor.base import TaskReport
from fl_core.transport import federation_pb2 as pb
from fl_core.transport import methods
from fl_core.transport.messages import (
    BlobRef,
    Delivery,
    Farewell,
    Instruction,
    Release,
    Welcome,
    Withdrawal,
    Work,
)
from fl_core.transport.wire import (
    LONGEST_TEXT,
    MOST_METRICS,
    MOST_TASKS,
    MessageError,
    delivery_message,
    delivery_of,
    instruction_message,
    instruction_of,
    welcome_message,
    welcome_of,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SHOWN = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=20)
KEY = st.from_regex(r"[A-Za-z0-9_.:-]{1,128}", fullmatch=True)
ROUND = st.integers(-(2**63), 2**63 - 1)
BLOB = st.builds(
    BlobRef,
    st.text("0123456789abcdef", min_size=32, max_size=32).map("xxh3:{}".format),
    st.integers(0, 2**64 - 1),
)
FLOAT = st.floats(allow_nan=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOAT | TEXT,
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(TEXT, deeper, max_size=3),
    max_leaves=8,
)
WORK = st.builds(
    Work,
    KEY,
    ROUND,
    st.lists(TEXT, max_size=4).map(tuple),
    BLOB,
    st.dictionaries(TEXT, st.dictionaries(TEXT, PLAIN, max_size=3), max_size=3),
    st.lists(TEXT, max_size=4).map(tuple),
    st.none() | BLOB,
    st.none() | BLOB,
)
INSTRUCTION = st.one_of(
    st.none(),
    WORK,
    st.builds(Withdrawal, KEY, TEXT),
    st.builds(Release, ROUND),
    st.builds(Farewell, TEXT),
)
ROWS = st.lists(
    st.dictionaries(SHOWN, SHOWN | st.integers(-(2**63), 2**63 - 1) | FLOAT, max_size=3), max_size=3
).map(tuple)
REPORT = st.builds(
    TaskReport,
    TEXT,
    st.dictionaries(TEXT, FLOAT, max_size=4),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    ROWS,
)
DELIVERY = st.builds(
    Delivery,
    KEY,
    ROUND,
    st.lists(REPORT, max_size=3).map(tuple),
    st.none() | BLOB,
    st.none() | BLOB,
    st.floats(allow_nan=False, allow_infinity=False),
    SHOWN,
)


@given(INSTRUCTION)
def test_instructions_arrive_as_they_were_sent(instruction: Instruction | None) -> None:
    sent = instruction_message(instruction).SerializeToString()
    assert instruction_of(pb.Instruction.FromString(sent)) == instruction


@given(DELIVERY)
def test_deliveries_arrive_as_they_were_sent(delivery: Delivery) -> None:
    sent = delivery_message(delivery).SerializeToString()
    assert delivery_of(pb.Delivery.FromString(sent)) == delivery


def test_numbers_that_are_none_arrive_as_metrics_and_not_as_times() -> None:
    report = TaskReport("t", {"a": math.nan, "b": math.inf}, 1)
    back = delivery_of(delivery_message(Delivery("0", 0, (report,), wall_s=math.nan)))
    assert math.isnan(back.reports[0].metrics["a"])
    assert back.reports[0].metrics["b"] == math.inf
    assert back.wall_s == 0.0


@given(st.floats(), st.integers(0, 2**32 - 1))
def test_a_welcome_stays_within_bounds(beat_s: float, part_bytes: int) -> None:
    welcome = welcome_of(welcome_message(Welcome(1, "a", beat_s, part_bytes)))
    assert 0.05 <= welcome.beat_s <= 300
    assert 4096 <= welcome.part_bytes <= 64 << 20
    if 0.05 <= beat_s <= 300 and 4096 <= part_bytes <= 64 << 20:
        assert welcome == Welcome(1, "a", beat_s, part_bytes)


def with_rows(rows: str) -> pb.Delivery:
    return pb.Delivery(key="0", results=[pb.TaskResult(task="t", rows=rows)])


REFUSED: dict[str, tuple[pb.Delivery, str]] = {
    "no key": (pb.Delivery(), "is no name of a work"),
    "a key that is a path": (pb.Delivery(key="../../x"), "is no name of a work"),
    "a long key": (pb.Delivery(key="k" * 129), "is no name of a work"),
    "a checksum that is a path": (
        pb.Delivery(key="0", update=pb.Blob(checksum="../../x")),
        "'../../x' is no checksum",
    ),
    "a checksum with a path behind": (
        pb.Delivery(key="0", update=pb.Blob(checksum="xxh3:" + "0" * 32 + "/../x")),
        "is no checksum",
    ),
    "a checksum with a line's end": (
        pb.Delivery(key="0", local_state=pb.Blob(checksum="xxh3:" + "0" * 32 + "\n")),
        "is no checksum",
    ),
    "many results": (pb.Delivery(key="0", results=[pb.TaskResult()] * (MOST_TASKS + 1)), "65 results"),
    "many metrics": (
        pb.Delivery(key="0", results=[pb.TaskResult(task="t", metrics=[pb.Metric()] * (MOST_METRICS + 1))]),
        "1025 metrics",
    ),
    "no JSON": (with_rows("{"), "rows: no JSON"),
    "deep JSON": (with_rows("[" * 100_000), "rows: no JSON"),
    "a number of many digits": (with_rows("[" + "9" * 5000 + "]"), "rows: no JSON"),
    "rows that are a text": (with_rows('"abc"'), "no list of values"),
    "rows that are one": (with_rows('{"a": 1}'), "no list of values"),
    "rows in rows": (with_rows('[{"a": [1]}]'), "no list of values"),
    "nothing as a value": (with_rows('[{"a": null}]'), "no list of values"),
    "a number beyond 64 bits": (with_rows('[{"a": 9223372036854775808}]'), "no list of values"),
    "half a character": (with_rows('[{"a": "\\ud800"}]'), "no list of values"),
    "half a character as a name": (with_rows('[{"\\ud800": 1}]'), "no list of values"),
    "a terminal's command": (with_rows('[{"case": "\\u001b[2J"}]'), "no list of values"),
    "a long text": (with_rows(json.dumps([{"a": "x" * (LONGEST_TEXT + 1)}])), "no list of values"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_delivery_that_is_none_is_refused_by_name(kind: str) -> None:
    message, reason = REFUSED[kind]
    with pytest.raises(MessageError, match=reason):
        delivery_of(message)


def test_what_a_site_says_of_its_failure_stays_on_one_line() -> None:
    said = "out of memory\n2026-01-01 WARNING all is well" + chr(27) + "[2J" + "x" * 10_000
    failure = delivery_of(pb.Delivery(key="0", failure=said)).failure
    assert failure.isprintable()
    assert failure.startswith("out of memory\\n2026")
    assert len(failure) < LONGEST_TEXT + 10


DECODERS: dict[Any, Callable[[Any], object]] = {
    pb.Instruction: instruction_of,
    pb.Delivery: delivery_of,
    pb.JoinReply: welcome_of,
}


@settings(max_examples=300)
@given(st.sampled_from(list(DECODERS)), st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(kind: Any, content: bytes) -> None:
    try:
        message = kind.FromString(content)
    except DecodeError:
        return
    try:
        DECODERS[kind](message)
    except MessageError as error:
        assert str(error)


def test_every_method_of_the_protocol_file_is_served() -> None:
    service = pb.DESCRIPTOR.services_by_name["Federation"]
    assert service.full_name == methods.SERVICE
    assert [method.name for method in service.methods] == [method.name for method in methods.METHODS]
    for ours, method in zip(methods.METHODS, service.methods, strict=True):
        assert (ours.request or pb.Part).DESCRIPTOR is method.input_type
        assert (ours.reply or pb.Part).DESCRIPTOR is method.output_type
        assert (ours.requests, ours.replies) == (method.client_streaming, method.server_streaming)
