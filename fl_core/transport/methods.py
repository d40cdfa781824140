"""The protocol's methods as gRPC wants them: names, and how their messages become bytes.

Parts travel as bytes that `parts` makes, every other message as the protobuf library makes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fl_core.transport import federation_pb2 as pb

SERVICE: Final = "fl_core.v1.Federation"
OLDEST_VERSION: Final = 1
NEWEST_VERSION: Final = 1


def as_it_is(content: bytes) -> bytes:
    """Return bytes unchanged."""
    return content


@dataclass(frozen=True)
class Method:
    """One method.

    Attributes:
        name: As in the protocol file.
        request: Type of its requests; None for parts.
        reply: Type of its replies; None for parts.
        requests: Whether requests come as a stream.
        replies: Whether replies do.
    """

    name: str
    request: Any
    reply: Any
    requests: bool = False
    replies: bool = False

    @property
    def path(self) -> str:
        """The method's place in the protocol."""
        return f"/{SERVICE}/{self.name}"

    @property
    def request_coding(self) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
        """How requests become bytes, and back."""
        return _coding(self.request)

    @property
    def reply_coding(self) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
        """How replies become bytes, and back."""
        return _coding(self.reply)


def _coding(message: Any) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    return (as_it_is, as_it_is) if message is None else (message.SerializeToString, message.FromString)


JOIN: Final = Method("Join", pb.JoinRequest, pb.JoinReply)
FOLLOW: Final = Method("Follow", pb.FollowRequest, pb.Instruction, replies=True)
DOWNLOAD: Final = Method("Download", pb.DownloadRequest, None, replies=True)
UPLOAD: Final = Method("Upload", None, pb.Stored, requests=True)
HOW_FAR: Final = Method("HowFar", pb.Blob, pb.Stored)
DELIVER: Final = Method("Deliver", pb.Delivery, pb.Verdict)
BEAT: Final = Method("Beat", pb.Progress, pb.BeatReply)
METHODS: Final = (JOIN, FOLLOW, DOWNLOAD, UPLOAD, HOW_FAR, DELIVER, BEAT)
