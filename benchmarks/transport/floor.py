"""The floor: bytes over bare gRPC with mutual TLS on loopback, and one mean; nothing else.

Every client is a process of its own, as every collaborator is. It fetches a blob and sends one, in parts that
need no copy on either side; all clients do the same at the same time.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from typing import Any, Final

import grpc
import numpy as np

from fl_core.transport.channel import SiteCredentials, open_channel
from fl_core.transport.limits import Limits
from fl_core.transport.methods import as_it_is
from fl_core.transport.server import ServerCredentials, server_options

PART: Final = Limits().part_bytes


def raw_throughput(server: ServerCredentials, sites: list[SiteCredentials], size: int, repeats: int) -> float:
    """Return bytes a second, in sum over all clients and both directions; the median of the repeats.

    Args:
        server: Of the server.
        sites: One for each client.
        size: Bytes of a blob.
        repeats: How often it is measured, after one round that is not.
    """
    content = np.random.default_rng(0).bytes(min(size, PART))
    pool = ThreadPoolExecutor(4 * len(sites))
    listening = grpc.server(pool, options=server_options(Limits()))
    listening.add_generic_rpc_handlers((_handlers(content, size),))
    secure = grpc.ssl_server_credentials([(server.key, server.chain)], server.roots, require_client_auth=True)
    port = listening.add_secure_port("127.0.0.1:0", secure)
    listening.start()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(sites) + 1)
    clients = [
        context.Process(target=_client, args=(f"localhost:{port}", site, size, repeats + 1, barrier))
        for site in sites
    ]
    for client in clients:
        client.start()
    times = []
    for _ in range(repeats + 1):
        barrier.wait(120)
        begin = time.perf_counter()
        barrier.wait(600)
        times.append(time.perf_counter() - begin)
    for client in clients:
        client.join()
    listening.stop(None).wait()
    return 2 * size * len(sites) / statistics.median(times[1:])


def in_place_mean(size: int, sites: int, repeats: int) -> float:
    """Return the seconds of one weighted mean of float32 arrays in place, the median of the repeats."""
    rng = np.random.default_rng(0)
    arrays = [rng.random(size // 4, np.float32) for _ in range(sites)]
    total, scratch = np.empty_like(arrays[0]), np.empty_like(arrays[0])
    times = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        np.multiply(arrays[0], np.float32(1 / sites), out=total)
        for array in arrays[1:]:
            np.multiply(array, np.float32(1 / sites), out=scratch)
            total += scratch
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def _handlers(content: bytes, size: int) -> grpc.GenericRpcHandler[Any, Any]:
    def send(request: bytes, context: Any) -> Iterator[bytes]:
        for begin in range(0, size, PART):
            yield content[: size - begin]

    def take(requests: Iterator[bytes], context: Any) -> bytes:
        return str(sum(len(request) for request in requests)).encode()

    return grpc.method_handlers_generic_handler(
        "floor",
        {
            "Send": grpc.unary_stream_rpc_method_handler(send),
            "Take": grpc.stream_unary_rpc_method_handler(take),
        },
    )


def _client(target: str, site: SiteCredentials, size: int, rounds: int, barrier: Barrier) -> None:
    channel = open_channel(target, site)
    send = channel.unary_stream("/floor/Send", request_serializer=as_it_is, response_deserializer=as_it_is)
    take = channel.stream_unary("/floor/Take", request_serializer=as_it_is, response_deserializer=as_it_is)
    content = np.random.default_rng(1).bytes(min(size, PART))
    grpc.channel_ready_future(channel).result(60)
    for _ in range(rounds):
        barrier.wait(120)
        received = sum(len(part) for part in send(b""))
        sent = int(take(content[: size - begin] for begin in range(0, size, PART)))
        if received != size or sent != size:
            raise RuntimeError(f"{received} bytes came and {sent} went, not {size}")
        barrier.wait(600)
    channel.close()
