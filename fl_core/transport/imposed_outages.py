"""Outages imposed on real connections: calls that are refused, broken off or delayed by a plan of one's own.

A simulated federation meets outages on its own clock. Over a network they have to happen to the calls
themselves; who meets which is decided by a function that is passed in, so a seeded trace gives the same
outages again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import grpc

from fl_core.transport.methods import SERVICE

log = logging.getLogger(__name__)

_PREFIX: Final = f"/{SERVICE}/"


@dataclass(frozen=True)
class Pass:
    """The call is served."""


@dataclass(frozen=True)
class Refuse:
    """The call ends before it is served, as if nobody could be reached; the site tries again."""

    reason: str


@dataclass(frozen=True)
class Cut:
    """The call breaks off.

    A stream breaks off before the message that would make it longer than so many bytes; what came before
    arrives, and the site goes on from there. A call of one request and one answer is served and its answer
    lost.
    """

    after_bytes: int


@dataclass(frozen=True)
class Delay:
    """The call waits before it is served; it does not go on waiting for a site that left."""

    seconds: float


Decision = Pass | Refuse | Cut | Delay
Decide = Callable[[str, str], Decision]
"""Takes the site (the common name of its certificate) and the method's name in the protocol file. It is
asked once a call, from many threads."""


class ImposedOutages(grpc.ServerInterceptor):  # type: ignore[type-arg]  # generic in its stubs only
    """Stands before the servicer and lets outages happen. Calls of other services pass.

    Args:
        decide: What happens to a call.

    Example:
        >>> def decide(site: str, method: str) -> Decision:
        ...     return Refuse("an outage") if (site, method) == ("hospital_1", "Download") else Pass()
        >>> interceptor = ImposedOutages(decide)  # FederationServer(..., interceptors=[interceptor])
    """

    def __init__(self, decide: Decide) -> None:
        self._decide = decide

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the method's handler, with the outages around it."""
        handler = continuation(handler_call_details)
        path = handler_call_details.method
        if handler is None or not path.startswith(_PREFIX):
            return handler
        around: grpc.RpcMethodHandler[Any, Any] = _around(handler, path.removeprefix(_PREFIX), self._decide)
        return around


def _around(handler: Any, method: str, decide: Decide) -> Any:
    """Return a handler of the same kind; only a call's context tells who calls, so it is asked there."""

    def one_answer(request: Any, context: Any) -> Any:
        decision = _met(context, method, decide)
        if not isinstance(decision, Cut):
            return behaviour(request, context)
        if handler.request_streaming:
            return behaviour(_until(request, decision, context, method), context)
        behaviour(request, context)
        _break_off(context, method, "its answer was lost")

    def many_answers(request: Any, context: Any) -> Iterator[Any]:
        decision = _met(context, method, decide)
        answers = behaviour(request, context)
        yield from _until(answers, decision, context, method) if isinstance(decision, Cut) else answers

    if handler.response_streaming:
        behaviour, make = handler.unary_stream, grpc.unary_stream_rpc_method_handler
        return make(many_answers, handler.request_deserializer, handler.response_serializer)
    if handler.request_streaming:
        behaviour, make = handler.stream_unary, grpc.stream_unary_rpc_method_handler
    else:
        behaviour, make = handler.unary_unary, grpc.unary_unary_rpc_method_handler
    return make(one_answer, handler.request_deserializer, handler.response_serializer)


def _met(context: Any, method: str, decide: Decide) -> Decision:
    """Return what happens to a call, once it was refused or waited for."""
    decision = decide(_site(context), method)
    match decision:
        case Refuse(reason):
            log.info("imposed: %s of %s refused: %s", method, _site(context), reason)
            context.abort(grpc.StatusCode.UNAVAILABLE, reason)
        case Delay(seconds):
            log.info("imposed: %s of %s waits %.3g s", method, _site(context), seconds)
            left = threading.Event()
            if context.add_callback(left.set) and left.wait(seconds):
                context.abort(grpc.StatusCode.CANCELLED, "the site left while it was made to wait")
    return decision


def _until(messages: Iterator[Any], cut: Cut, context: Any, method: str) -> Iterator[Any]:
    passed = 0
    for message in messages:
        passed += len(message) if isinstance(message, bytes) else message.ByteSize()
        if passed > cut.after_bytes:
            _break_off(context, method, f"cut after {cut.after_bytes} bytes")
        yield message


def _break_off(context: Any, method: str, how: str) -> None:
    log.info("imposed: %s of %s: %s", method, _site(context), how)
    context.abort(grpc.StatusCode.UNAVAILABLE, f"an imposed outage: {how}")


def _site(context: Any) -> str:
    """Return the name in the caller's certificate; TLS has checked who signed it."""
    names = context.auth_context().get("x509_common_name", [b""])
    return str(names[0].decode(errors="replace"))
