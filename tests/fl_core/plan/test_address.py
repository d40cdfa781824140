"""What ``auto`` means in the section ``network``."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fl_core.plan.address import aggregator_address, port_of
from fl_core.plan.schema import NetworkSettings

HASH = "sha256:" + "0" * 64


@given(st.text(), st.text())
def test_a_port_is_a_dynamic_one_that_linux_leaves_free(plan_hash: str, salt: str) -> None:
    assert 49152 <= port_of(plan_hash, salt) <= 60999
    assert port_of(plan_hash, salt) == port_of(plan_hash, salt)


def test_ports_of_plans_spread_over_the_range() -> None:
    ports = {port_of(f"sha256:{i:064x}") for i in range(300)}

    assert len(ports) > 285  # 300 balls in 11848 bins collide four times on average
    assert port_of(HASH, "second") != port_of(HASH)


def test_auto_is_this_host_and_the_plans_port_and_anything_else_is_taken_as_it_is() -> None:
    auto, given_ = NetworkSettings(), NetworkSettings(agg_addr="10.0.0.1", agg_port=443)

    assert aggregator_address(auto, HASH, own_name=lambda: "host.example") == ("host.example", port_of(HASH))
    assert aggregator_address(given_, HASH) == ("10.0.0.1", 443)
