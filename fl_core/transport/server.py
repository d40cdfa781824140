"""The aggregator's server: one port, mutual TLS, gRPC's health service beside the protocol."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fl_core.errors import InputError
from fl_core.transport import methods
from fl_core.transport.health import Health
from fl_core.transport.limits import ROOM, Limits
from fl_core.transport.methods import SERVICE, Method, as_it_is
from fl_core.transport.servicer import FederationServicer


@dataclass(frozen=True)
class ServerCredentials:
    """What the aggregator shows and whom it believes, as PEM.

    Attributes:
        key: Private key.
        chain: Its certificate, and those between it and the root.
        roots: Certificates that sign the sites' certificates.
    """

    key: bytes
    chain: bytes
    roots: bytes

    def __repr__(self) -> str:
        """Return a text without the key."""
        return "ServerCredentials(...)"


class FederationServer:
    """Listens until it is stopped. Use it in a ``with`` block.

    Args:
        servicer: Answers the calls.
        credentials: For mutual TLS.
        address: ``host:port``; port 0 takes a free one.
        limits: How much a site may ask for.
        interceptors: See each call before the servicer (outages that are imposed).

    Raises:
        InputError: The address cannot be listened on.
    """

    def __init__(
        self,
        servicer: FederationServicer,
        credentials: ServerCredentials,
        address: str,
        limits: Limits,
        interceptors: Sequence[grpc.ServerInterceptor[Any, Any]] = (),
    ) -> None:
        self._servicer = servicer
        self._pool = ThreadPoolExecutor(limits.connections, thread_name_prefix="call")
        self._server = grpc.server(
            self._pool,
            options=server_options(limits),
            maximum_concurrent_rpcs=limits.connections,
            interceptors=list(interceptors),
        )
        self._server.add_generic_rpc_handlers((_handlers(servicer),))
        self._health = Health()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        secure = grpc.ssl_server_credentials(
            [(credentials.key, credentials.chain)], credentials.roots, require_client_auth=True
        )
        try:
            self.port = self._server.add_secure_port(address, secure)
        except RuntimeError as error:
            raise InputError(
                f"{address} cannot be listened on: the port is taken, the address is not this machine's, or "
                "the certificate and its key do not belong together"
            ) from error
        self._silence = max(0.05, min(1.0, limits.silent_s / 4))
        self._stopped = threading.Event()
        self._watch = threading.Thread(target=self._watch_silence, name="silence", daemon=True)

    def start(self) -> None:
        """Begin to serve; the health service says so from now on."""
        self._server.start()
        self._watch.start()
        for name in ("", SERVICE):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    def stop(self, grace_s: float = 1.0) -> None:
        """Take no more calls, and end open ones after a while."""
        self._stopped.set()
        self._health.enter_graceful_shutdown()
        self._server.stop(grace_s).wait()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _watch_silence(self) -> None:
        while not self._stopped.wait(self._silence):
            self._servicer.hang_up_on_the_silent()


def server_options(limits: Limits) -> list[tuple[str, Any]]:
    """Return gRPC's options of a server."""
    return [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", limits.part_bytes + ROOM),
        ("grpc.max_send_message_length", limits.part_bytes + ROOM),
        ("grpc.max_metadata_size", 16 << 10),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", 2 << 20),
        ("grpc.max_concurrent_streams", 4 * limits.calls),
        ("grpc.max_allowed_incoming_connections", limits.connections),
        ("grpc.server_handshake_timeout_ms", 10_000),
        # A site behind a middlebox that cuts idle connections pings every 20 s; let it.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.ping_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 0),
    ]


def _handlers(servicer: FederationServicer) -> grpc.GenericRpcHandler[Any, Any]:
    functions = {
        methods.JOIN: servicer.join,
        methods.FOLLOW: servicer.follow,
        methods.DOWNLOAD: servicer.download,
        methods.UPLOAD: servicer.upload,
        methods.HOW_FAR: servicer.how_far,
        methods.DELIVER: servicer.deliver,
        methods.BEAT: servicer.beat,
    }
    return grpc.method_handlers_generic_handler(
        SERVICE, {method.name: _handler(servicer, method, function) for method, function in functions.items()}
    )


def _handler(servicer: FederationServicer, method: Method, function: Any) -> grpc.RpcMethodHandler[Any, Any]:
    make: Any = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
    }[method.requests, method.replies]
    handler: grpc.RpcMethodHandler[Any, Any] = make(
        function if method.requests else _decoding(servicer, method, function),
        request_deserializer=as_it_is,
        response_serializer=method.reply_coding[0],
    )
    return handler


def _decoding(servicer: FederationServicer, method: Method, function: Any) -> Any:
    """Return a function that takes a request as bytes.

    Decoded by gRPC itself, bytes that are no message would fail before anything here could name the reason.
    """

    def answer(request: bytes, context: Any) -> Any:
        try:
            message = method.request_coding[1](request)
        except DecodeError:
            servicer.undecodable(context, method.name, request)
        return function(message, context)

    return answer
