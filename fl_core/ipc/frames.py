"""Messages and arrays over a Unix socket: length-prefixed frames with a cap, nothing pickled.

A frame is a header (magic, number of array sets, length of their layouts, length of the message),
the layouts and the message, both msgpack. Array sets travel beside it as file descriptors.
"""

from __future__ import annotations

import array as fixed_array
import os
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from fl_core.errors import FederationError
from fl_core.ipc.shared import BadTensors, Layout, SharedFile, pack, unpack
from fl_core.tensors import Array, Tensors

MAX_FRAME: Final = 64 << 20
"""Bytes of layouts and message together that a frame may have, unless the channel says less."""

MAX_SETS: Final = 16
_HEADER: Final = struct.Struct("<4sHxxII")
_MAGIC: Final = b"FLc1"
_DESCRIPTOR: Final = fixed_array.array("i").itemsize

Message = TypeVar("Message")


class ChannelClosed(FederationError):
    """The other side has closed the channel or ended."""


class FrameTooLarge(FederationError):
    """A frame beyond the cap, or with more sets of arrays than allowed."""


class BadFrame(FederationError):
    """Bytes that are no frame, or a frame that does not hold what it should."""


class ChannelTimeout(FederationError):
    """The other side neither answered nor read within the time given."""


class Channel:
    """One end of a connection to a child or a parent.

    Args:
        connection: A connected Unix stream socket; the channel owns it.
        max_frame: Largest accepted frame, bytes of layouts and message.
        max_tensor_bytes: Largest accepted set of arrays, bytes; ``None`` leaves it to the sender.
    """

    def __init__(
        self, connection: socket.socket, *, max_frame: int = MAX_FRAME, max_tensor_bytes: int | None = None
    ) -> None:
        self._socket = connection
        self.max_frame = max_frame
        self.max_tensor_bytes = max_tensor_bytes

    def fileno(self) -> int:
        """Return the socket's descriptor, for selectors."""
        return self._socket.fileno()

    def send(
        self, message: Any, sets: Sequence[Tensors | SharedFile] = (), *, timeout: float | None = None
    ) -> None:
        """Send a message with sets of arrays.

        Args:
            message: Anything msgspec can encode; NumPy scalars become plain numbers.
            sets: Arrays by name, or an already packed file (which stays open, to be sent again).
            timeout: Seconds for all of it; ``None`` waits for ever.

        Raises:
            ChannelClosed: The other side is gone.
            ChannelTimeout: The other side did not read in time.
            FrameTooLarge: The message or the number of sets is beyond the cap.
            BadTensors: Arrays that cannot cross.
        """
        files = [one if isinstance(one, SharedFile) else pack(one) for one in sets]
        try:
            layouts = msgspec.msgpack.encode([file.layout for file in files])
            body = encode(message)
            if len(layouts) + len(body) > self.max_frame or len(files) > MAX_SETS:
                raise FrameTooLarge(
                    f"a message of {len(layouts) + len(body)} bytes with {len(files)} sets of arrays; "
                    f"at most {self.max_frame} bytes and {MAX_SETS} sets can be sent"
                )
            header = _HEADER.pack(_MAGIC, len(files), len(layouts), len(body))
            self._send_all(header + layouts + body, [file.handle for file in files], timeout)
        finally:
            for file, one in zip(files, sets, strict=True):
                if file is not one:
                    file.close()

    def receive(
        self, kind: type[Message] | Any, *, timeout: float | None = None
    ) -> tuple[Message, list[dict[str, Array]]]:
        """Receive the next message, checked to be of the given type, with its sets of arrays.

        Args:
            kind: A type msgspec can decode into; a union of tagged structs for alternatives.
            timeout: Seconds until the whole frame must be here; ``None`` waits for ever.

        Returns:
            The message, and read-only arrays by name for every set.

        Raises:
            ChannelClosed: The other side is gone.
            ChannelTimeout: The frame was not complete in time.
            FrameTooLarge: The frame is beyond the cap.
            BadFrame: It is no frame, or not a message of this type, or arrays that cannot be.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        handles: list[int] = []
        try:
            header = self._receive_exactly(_HEADER.size, deadline, handles)
            magic, count, layouts_size, body_size = _HEADER.unpack(header)
            if magic != _MAGIC:
                raise BadFrame("the other side sent bytes that are no frame of this protocol")
            if layouts_size + body_size > self.max_frame or count > MAX_SETS:
                raise FrameTooLarge(
                    f"a frame of {layouts_size + body_size} bytes with {count} sets of arrays came; "
                    f"at most {self.max_frame} bytes and {MAX_SETS} sets are accepted"
                )
            layouts = _decode(self._receive_exactly(layouts_size, deadline), list[Layout])
            message = _decode(self._receive_exactly(body_size, deadline), kind)
            if not len(layouts) == len(handles) == count:
                raise BadFrame(f"{count} sets of arrays announced, {len(handles)} files came")
            return message, [self._unpack(h, one) for h, one in zip(handles, layouts, strict=True)]
        finally:
            for handle in handles:
                os.close(handle)

    def close(self) -> None:
        """Close this end; safe to call twice."""
        self._socket.close()

    def _unpack(self, handle: int, layout: Layout) -> dict[str, Array]:
        try:
            return unpack(handle, layout, max_bytes=self.max_tensor_bytes)
        except (BadTensors, OSError, OverflowError) as error:
            raise BadFrame(f"a set of arrays that cannot be read: {error}") from error

    def _send_all(self, content: bytes, handles: list[int], timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        view = memoryview(content)
        try:
            self._socket.settimeout(_left(deadline))
            sent = socket.send_fds(self._socket, [view], handles) if handles else self._socket.send(view)
            while sent < len(view):
                view = view[sent:]
                self._socket.settimeout(_left(deadline))
                sent = self._socket.send(view)
        except TimeoutError as error:
            raise ChannelTimeout(f"the other side did not read for {timeout:g} s") from error
        except OSError as error:
            raise ChannelClosed(f"the other side of the channel is gone ({error.strerror})") from error

    def _receive_exactly(self, size: int, deadline: float | None, handles: list[int] | None = None) -> bytes:
        """Read `size` bytes; descriptors are taken with a header only, else the kernel drops them."""
        content = bytearray()
        while len(content) < size:
            try:
                self._socket.settimeout(_left(deadline))
                if handles is None:
                    part = self._socket.recv(min(size - len(content), 1 << 20))
                else:
                    part = self._receive_with_handles(size - len(content), handles)
            except TimeoutError as error:
                raise ChannelTimeout("the other side did not answer in time") from error
            except OSError as error:
                raise ChannelClosed(f"the other side of the channel is gone ({error.strerror})") from error
            if not part:
                raise ChannelClosed("the other side has closed the channel")
            content += part
        return bytes(content)

    def _receive_with_handles(self, size: int, handles: list[int]) -> bytes:
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        space = socket.CMSG_SPACE(MAX_SETS * _DESCRIPTOR)
        part, ancillary, received_flags, _ = self._socket.recvmsg(size, space, flags)
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = fixed_array.array("i")
                numbers.frombytes(data[: len(data) - len(data) % _DESCRIPTOR])
                handles.extend(numbers)
        if received_flags & socket.MSG_CTRUNC or len(handles) > MAX_SETS:
            raise BadFrame(f"more than {MAX_SETS} sets of arrays came with one frame")
        return part


def encode(message: Any) -> bytes:
    """Return `message` as msgpack; NumPy scalars become plain numbers or text.

    Raises:
        BadFrame: It holds something that is no plain value, or an integer beyond 64 bits.
    """
    try:
        return msgspec.msgpack.encode(message, enc_hook=_plain)
    except (TypeError, NotImplementedError, OverflowError, ValueError, RecursionError) as error:
        raise BadFrame(f"a message holds something that cannot be sent: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    for plain in (float, int, str):
        if isinstance(value, plain):
            return plain(value)
    if hasattr(value, "keys"):
        return {key: value[key] for key in value.keys()}  # noqa: SIM118 - any mapping, a proxy too
    raise NotImplementedError(f"{type(value).__name__} is no plain value")


def _decode(content: bytes, kind: Any) -> Any:
    try:
        return msgspec.msgpack.decode(content, type=kind)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadFrame(f"a message is not what it should be: {error}") from error


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
