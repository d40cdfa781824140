from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_core.ipc.frames import (
    MAX_SETS,
    BadFrame,
    Channel,
    ChannelClosed,
    ChannelTimeout,
    FrameTooLarge,
)
from fl_core.ipc.shared import BadTensors, pack


class Note(msgspec.Struct, tag=True):
    text: str
    value: float


class Other(msgspec.Struct, tag=True):
    number: int


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    left, right = (Channel(one, max_frame=100_000) for one in socket.socketpair())
    yield left, right
    left.close()
    right.close()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_messages_and_sets_arrive_in_order_and_leave_no_descriptor_behind(
    ends: tuple[Channel, Channel],
) -> None:
    left, right = ends
    before = open_descriptors()
    for number in range(3):
        left.send(Note(f"n{number}", np.float64(0.5)), [{"w": np.full(3, number)}, {}])
    for number in range(3):
        message, sets = right.receive(Note | Other, timeout=5)
        assert message == Note(f"n{number}", 0.5)
        assert sets[0]["w"].tolist() == [number] * 3 and sets[1] == {}
    assert open_descriptors() == before


def test_a_packed_file_can_be_sent_many_times(ends: tuple[Channel, Channel]) -> None:
    left, right = ends
    file = pack({"w": np.arange(4.0)})
    for _ in range(2):
        left.send(Other(1), [file])
        assert right.receive(Other, timeout=5)[1][0]["w"].tolist() == [0, 1, 2, 3]
    file.close()
    file.close()


def test_a_frame_larger_than_the_socket_buffer_arrives(ends: tuple[Channel, Channel]) -> None:
    left, right = Channel(ends[0]._socket), Channel(ends[1]._socket)
    note = Note("x" * 3_000_000, 1.0)
    thread = threading.Thread(target=left.send, args=(note,))
    thread.start()
    assert right.receive(Note, timeout=5)[0] == note
    thread.join()


def test_frames_beyond_the_cap_are_refused_on_both_sides(ends: tuple[Channel, Channel]) -> None:
    left, right = ends
    with pytest.raises(FrameTooLarge, match="at most 100000 bytes"):
        left.send(Note("x" * 200_000, 1.0))
    with pytest.raises(FrameTooLarge, match=f"{MAX_SETS} sets"):
        left.send(Other(1), [{}] * (MAX_SETS + 1))
    left._socket.send(struct.pack("<4sHxxII", b"FLc1", 0, 0, 2**31))
    with pytest.raises(FrameTooLarge, match="2147483648 bytes"):
        right.receive(Other, timeout=5)


def test_a_set_beyond_the_cap_is_refused(ends: tuple[Channel, Channel]) -> None:
    left, right = ends
    right.max_tensor_bytes = 100
    left.send(Other(1), [{"w": np.zeros(101, np.uint8)}])
    with pytest.raises(BadFrame, match="101 bytes; at most 100"):
        right.receive(Other, timeout=5)


def test_timeouts_and_ends_have_names(ends: tuple[Channel, Channel]) -> None:
    left, right = ends
    with pytest.raises(ChannelTimeout):
        right.receive(Other, timeout=0.02)
    left._socket.send(b"FLc1")  # a frame that stops in its header
    with pytest.raises(ChannelTimeout):
        right.receive(Other, timeout=0.02)
    with pytest.raises(ChannelTimeout, match=r"did not read for 0.05 s"):
        for _ in range(100):
            left.send(Note("x" * 90_000, 1.0), timeout=0.05)
    left.close()
    with pytest.raises((ChannelClosed, BadFrame)):
        right.receive(Other, timeout=1)
    with pytest.raises(ChannelClosed):
        right.send(Other(1))


def test_an_end_in_the_middle_of_a_frame_is_a_closed_channel(ends: tuple[Channel, Channel]) -> None:
    left, right = ends
    left._socket.send(struct.pack("<4sHxxII", b"FLc1", 0, 1, 50) + b"\x90half")
    left.close()
    with pytest.raises(ChannelClosed):
        right.receive(Other, timeout=1)


def test_a_wrong_type_or_unknown_message_is_a_bad_frame(ends: tuple[Channel, Channel]) -> None:
    left, right = ends
    left.send({"type": "Note", "text": 5, "value": 1.0})
    left.send({"type": "Stranger"})
    for message in ("text", "Stranger"):
        with pytest.raises(BadFrame, match=message):
            right.receive(Note | Other, timeout=5)


def test_announced_and_sent_files_must_agree(ends: tuple[Channel, Channel]) -> None:
    left, right = ends
    body, layouts = msgspec.msgpack.encode(Other(1)), msgspec.msgpack.encode([])
    frame = struct.pack("<4sHxxII", b"FLc1", 1, len(layouts), len(body)) + layouts + body
    left._socket.send(frame)
    with pytest.raises(BadFrame, match="1 sets of arrays announced, 0 files came"):
        right.receive(Other, timeout=5)
    before = open_descriptors()
    file = pack({})
    many = [file.handle] * (MAX_SETS + 3)
    socket.send_fds(left._socket, [frame], many)
    with pytest.raises(BadFrame):
        right.receive(Other, timeout=5)
    file.close()
    assert open_descriptors() == before


@given(st.binary(min_size=1, max_size=200))
def test_no_bytes_do_more_than_a_named_error(content: bytes) -> None:
    left, right = socket.socketpair()
    channel = Channel(right)
    left.send(content)
    left.close()
    with pytest.raises((BadFrame, ChannelClosed, FrameTooLarge)):
        channel.receive(Note | Other, timeout=5)
    channel.close()


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_payload_does_more_than_a_named_error(layouts: bytes, body: bytes) -> None:
    left, right = socket.socketpair()
    channel = Channel(right)
    left.send(struct.pack("<4sHxxII", b"FLc1", 0, len(layouts), len(body)) + layouts + body)
    left.close()
    try:
        message, sets = channel.receive(Note | Other, timeout=5)
    except (BadFrame, ChannelClosed):
        return
    finally:
        channel.close()
    assert isinstance(message, Note | Other) and sets == []


def test_deep_nesting_is_a_bad_frame(ends: tuple[Channel, Channel]) -> None:
    left, right = Channel(ends[0]._socket), Channel(ends[1]._socket)
    body = b"\x91" * 90_000 + b"\x90"
    layouts = msgspec.msgpack.encode([])
    left._socket.send(struct.pack("<4sHxxII", b"FLc1", 0, len(layouts), len(body)) + layouts + body)
    with pytest.raises(BadFrame):
        right.receive(list, timeout=5)


@pytest.mark.parametrize("value", [object(), 2**70, {1j: 2}])
def test_what_is_no_plain_value_is_not_sent(ends: tuple[Channel, Channel], value: object) -> None:
    with pytest.raises(BadFrame, match="cannot be sent"):
        ends[0].send({"value": value})
    with pytest.raises(BadTensors):
        ends[0].send(Other(1), [{"w": np.array([object()])}])
