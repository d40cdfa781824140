"""Our coding of parts is protobuf's own; any other bytes are refused by name."""

from __future__ import annotations

import pytest
import xxhash
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fl_core.transport import federation_pb2 as pb
from fl_core.transport.messages import BlobRef
from fl_core.transport.parts import Part, part_bytes, part_of, parts_of
from fl_core.transport.source import Pieces
from fl_core.transport.wire import MessageError, TransferError

U64 = st.integers(0, 2**64 - 1)
CHECKSUM = st.text("0123456789abcdef", min_size=32, max_size=32).map("xxh3:{}".format)
BLOB = st.builds(BlobRef, CHECKSUM, U64)
PART = st.builds(Part, U64 | st.just(0), st.binary(max_size=300), U64 | st.just(0), st.none() | BLOB)


@given(PART)
def test_a_part_is_protobufs_message(part: Part) -> None:
    blob = pb.Blob(checksum=part.blob.checksum, size=part.blob.size) if part.blob else None
    message = pb.Part(offset=part.offset, checksum=part.checksum, data=part.data, blob=blob)
    content = message.SerializeToString(deterministic=True)
    assert part_bytes(part) == content
    back = part_of(content)
    assert (back.offset, bytes(back.data), back.checksum, back.blob) == (
        part.offset,
        part.data,
        part.checksum,
        part.blob,
    )


@settings(max_examples=500)
@given(
    st.binary(max_size=64)
    | PART.map(part_bytes).flatmap(lambda whole: st.permutations(list(whole)).map(bytes))
)
@example(b"\x08" + b"\xff" * 9 + b"\x7f" + b"\x11" + bytes(8) + b"\x1a\x00")  # a varint of 70 bits
@example(b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02" + b"\x11" + bytes(8) + b"\x1a\x00")
@example(b"\x11" + bytes(8) + b"\x1a" + b"\xff" * 10)
@example(b"\x11" + bytes(8) + b"\x1a\x05abc")
@example(b"\x08")
@example(b"\x22\x00")  # a blob without a checksum
@example(b"\x0b")  # a group that never ends
def test_any_bytes_are_a_part_or_refused_as_protobuf_has_it(content: bytes) -> None:
    try:
        expected = pb.Part.FromString(content)
    except DecodeError:
        with pytest.raises(MessageError):
            part_of(content)
        return
    try:
        part = part_of(content)
    except MessageError as error:
        assert "is no checksum" in str(error)
        return
    assert (part.offset, bytes(part.data), part.checksum) == (
        expected.offset,
        expected.data,
        expected.checksum,
    )


@given(st.binary(min_size=1, max_size=100), st.integers(0, 799))
def test_any_flipped_bit_of_the_data_is_noticed(data: bytes, bit: int) -> None:
    damaged = bytearray(data)
    damaged[bit // 8 % len(data)] ^= 1 << bit % 8
    with pytest.raises(TransferError, match="damaged on its way"):
        Part(0, bytes(damaged), xxhash.xxh3_64_intdigest(data)).check()


@given(st.lists(st.binary(max_size=20), max_size=8), st.integers(0, 160), st.integers(1, 30))
def test_parts_from_any_offset_are_the_rest(pieces: list[bytes], offset: int, part_size: int) -> None:
    whole = b"".join(pieces)
    source = Pieces(memoryview(piece) for piece in pieces)
    parts = list(parts_of(source, offset, len(whole), part_size))
    assert source.size == len(whole)
    assert b"".join(bytes(part.data) for part in parts) == whole[offset:]
    assert all(0 < len(part.data) <= part_size for part in parts)
    for part in parts:
        part.check()


def test_a_source_that_became_shorter_is_an_error() -> None:
    with pytest.raises(OSError, match="ends at byte 3 of 5"):
        list(parts_of(Pieces([memoryview(b"abc")]), 0, 5, 2))
