"""The plan of a Task 1 federation: what stands in it comes from the configuration."""

from __future__ import annotations

from challenge.config import parse_config
from challenge.task1.plan import SOURCE, task1_plan
from fl_core.plan.freeze import canonical
from fl_core.plan.schema import NetworkSettings


def test_the_network_is_a_setting_of_the_task_runner_and_the_section_network_an_address() -> None:
    config = parse_config({"network": {"name": "unet", "channels": [8, 16]}, "rounds": 4}, "test")

    plan = task1_plan(config)

    assert plan.task_runner.template == SOURCE
    assert plan.task_runner.settings["network"] == {"name": "unet", "channels": [8, 16]}
    assert plan.aggregator.settings.rounds_to_train == 4
    assert plan.network.settings == NetworkSettings()


def test_another_network_is_another_plan() -> None:
    one, two = (
        task1_plan(parse_config({"network": {"name": "unet", "channels": channels}, "rounds": 1}, "test"))
        for channels in ([8, 16], [8, 32])
    )

    assert canonical(one) != canonical(two)
