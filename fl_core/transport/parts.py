"""The parts in which a blob travels, as bytes on the wire.

A part is the protocol's message ``Part``. It is put together and taken apart here and not by the protobuf
library, which copies the data twice on either side; a test holds both to the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import xxhash
from google.protobuf.message import DecodeError

from fl_core.transport import federation_pb2 as pb
from fl_core.transport.messages import BlobRef
from fl_core.transport.source import Source
from fl_core.transport.wire import MessageError, TransferError, blob_message, blob_of

_OFFSET: Final = 0x08  # field 1, varint
_CHECKSUM: Final = 0x11  # field 2, eight bytes
_DATA: Final = 0x1A  # field 3, counted bytes
_LONGEST_VARINT: Final = 10
_MOST: Final = 1 << 64
_NO_NUMBER: Final = _MOST  # larger than any offset and any length


@dataclass(frozen=True)
class Part:
    """A piece of a blob.

    Attributes:
        offset: Where in the blob the data begin.
        data: The bytes.
        checksum: XXH3-64 of the data.
        blob: The blob; in the first part of an upload only.
    """

    offset: int
    data: bytes | memoryview
    checksum: int
    blob: BlobRef | None = None

    def check(self) -> None:
        """See that the data are what was sent.

        Raises:
            TransferError: They are not.
        """
        if xxhash.xxh3_64_intdigest(self.data) != self.checksum:
            raise TransferError(f"the part at byte {self.offset} was damaged on its way")


def part_bytes(part: Part) -> bytes:
    """Return a part as the protocol's message.

    Example:
        >>> pb.Part.FromString(part_bytes(Part(3, b"abc", 7))).data
        b'abc'
    """
    head = bytearray()
    if part.offset:
        head.append(_OFFSET)
        _put_varint(head, part.offset)
    if part.checksum:
        head.append(_CHECKSUM)
        head += part.checksum.to_bytes(8, "little")
    if len(part.data):
        head.append(_DATA)
        _put_varint(head, len(part.data))
    tail = pb.Part(blob=blob_message(part.blob)).SerializeToString() if part.blob else b""
    return b"".join((head, part.data, tail))


def part_of(message: bytes) -> Part:
    """Return the part that a message holds; its data are a view of the message.

    Raises:
        MessageError: It is no such message.
    """
    fast = _fast(memoryview(message))
    if fast is not None:
        return fast
    try:
        slow = pb.Part.FromString(message)
    except DecodeError as error:
        raise MessageError("a part that is no message of the protocol") from error
    blob = blob_of(slow.blob) if slow.HasField("blob") else None
    return Part(slow.offset, slow.data, slow.checksum, blob)


def parts_of(source: Source, offset: int, size: int, part_size: int) -> Iterator[Part]:
    """Yield a source's parts from an offset on.

    Raises:
        OSError: It cannot be read, or is shorter than it was.
    """
    while offset < size:
        data = source.read(offset, min(part_size, size - offset))
        if not data:
            raise OSError(f"what is sent ends at byte {offset} of {size}")
        yield Part(offset, data, xxhash.xxh3_64_intdigest(data))
        offset += len(data)


def _fast(message: memoryview) -> Part | None:
    """Take apart a message of fields 1 to 3 in this order, each there; None for any other."""
    place = offset = 0
    if len(message) > 1 and message[0] == _OFFSET:
        offset, place = _varint(message, 1)
    if len(message) < place + 10 or message[place] != _CHECKSUM or message[place + 9] != _DATA:
        return None
    checksum = int.from_bytes(message[place + 1 : place + 9], "little")
    length, start = _varint(message, place + 10)
    if start + length != len(message):
        return None
    return Part(offset, message[start:], checksum)


def _put_varint(target: bytearray, value: int) -> None:
    while value > 0x7F:
        target.append(value & 0x7F | 0x80)
        value >>= 7
    target.append(value)


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Return a number and the place after it; `_NO_NUMBER` where there is none of 64 bits."""
    value = 0
    for index in range(min(_LONGEST_VARINT, len(message) - place)):
        byte = message[place + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return (value, place + index + 1) if value < _MOST else (_NO_NUMBER, place)
    return _NO_NUMBER, place
