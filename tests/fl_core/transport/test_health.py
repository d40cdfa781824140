"""gRPC's health service beside the protocol."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from mutual_tls import TestAuthority, hall

from fl_core.transport.channel import open_channel
from fl_core.transport.methods import SERVICE

SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture(scope="module")
def authority() -> TestAuthority:
    return TestAuthority.new()


def test_it_serves_and_after_the_stop_nobody_does(tmp_path: Path, authority: TestAuthority) -> None:
    with hall(tmp_path, authority, {"a"}) as here:
        channel = open_channel(here.target, authority.site("somebody_not_on_the_list"))
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", SERVICE):
            assert health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status == SERVING
        with pytest.raises(grpc.RpcError) as unknown:
            health.Check(health_pb2.HealthCheckRequest(service="another"), timeout=10)
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as stopped:
        health.Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert stopped.value.code() is grpc.StatusCode.UNAVAILABLE
    channel.close()


def test_without_a_certificate_it_says_nothing(tmp_path: Path, authority: TestAuthority) -> None:
    with hall(tmp_path, authority, {"a"}) as here:
        secure = grpc.ssl_channel_credentials(authority.roots)
        with grpc.secure_channel(here.target, secure) as channel, pytest.raises(grpc.RpcError) as refused:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_nobody_can_hold_it_open(tmp_path: Path, authority: TestAuthority) -> None:
    with hall(tmp_path, authority, {"a"}) as here, open_channel(here.target, authority.site("b")) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            next(
                health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=5),
            )
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
