"""From the sections of a plan to what they describe."""

from __future__ import annotations

from typing import Any

import pytest

from fl_core.aggregation.weighted_mean import WeightedMean
from fl_core.errors import PlanError
from fl_core.plan.build import (
    aggregation_of,
    assigner_of,
    exchange_of,
    straggler_policy_of,
    worker_setup,
)
from fl_core.plan.loader import parse_plan
from fl_core.plan.schema import Plan
from fl_core.straggler.cutoff import Cutoff
from fl_core.straggler.percentage import Percentage
from fl_core.straggler.wait_for_all import WaitForAll

TASKS = {"v": {"function": "validate"}, "t": {"function": "train"}}
RANDOM = "fl_core.assigner.random_grouped.RandomGroupedAssigner"
STATIC = "fl_core.assigner.static_grouped:StaticGroupedAssigner"


def plan(**sections: Any) -> Plan:
    return parse_plan({"tasks": TASKS, **sections})


def test_an_empty_plan_means_everybody_does_everything_and_is_waited_for() -> None:
    assert assigner_of(plan()).assign(3, ["a", "b"]) == {"a": ("v", "t"), "b": ("v", "t")}
    assert isinstance(aggregation_of(plan()), WeightedMean)
    assert isinstance(straggler_policy_of(plan()), WaitForAll)
    exchange = exchange_of(plan())
    assert (exchange.upload.name, exchange.download.name) == ("none", "none")


def test_the_assigner_draws_from_the_plans_seed() -> None:
    groups = [{"name": "a", "percentage": 0.5, "tasks": ["v"]}, {"name": "b", "percentage": 0.5, "tasks": []}]
    names = [f"c{i}" for i in range(12)]

    def drawn(seed: int) -> dict[str, tuple[str, ...]]:
        made = plan(
            aggregator={"settings": {"seed": seed}},
            assigner={"template": RANDOM, "settings": {"task_groups": groups}},
        )
        return assigner_of(made).assign(0, names)

    assert drawn(1) == drawn(1) != drawn(2)


def test_static_groups() -> None:
    groups = [{"name": "g", "collaborators": ["a", 1], "tasks": ["v", "t"]}]
    made = assigner_of(plan(assigner={"template": STATIC, "settings": {"task_groups": groups}}))

    assert made.assign(0, ["a", "1", "z"]) == {"a": ("v", "t"), "1": ("v", "t"), "z": ()}


def test_policies_codecs_and_aggregations_take_their_settings() -> None:
    assert isinstance(
        straggler_policy_of(
            plan(
                straggler_policy={"template": "fl_core.straggler.cutoff.Cutoff", "settings": {"cutoff_s": 9}}
            )
        ),
        Cutoff,
    )
    share = {"template": "fl_core.straggler.percentage:Percentage", "settings": {"share": 0.5}}
    assert isinstance(straggler_policy_of(plan(straggler_policy=share)), Percentage)
    half = {"template": "fl_core.compression.fp16.Float16"}
    both = exchange_of(plan(compression_pipeline={"settings": {"upload": half, "download": half}}))
    assert (both.upload.name, both.download.name) == ("fp16", "fp16")
    up = exchange_of(plan(compression_pipeline=half))
    assert (up.upload.name, up.download.name) == ("fp16", "none")
    apart = {"template": "fl_core.compression.none.NoCompression", "settings": {"download": half}}
    assert exchange_of(plan(compression_pipeline=apart)).download.name == "fp16"


def groups(*given: dict[str, Any]) -> dict[str, Any]:
    return {"assigner": {"template": RANDOM, "settings": {"task_groups": list(given)}}}


@pytest.mark.parametrize(
    ("build", "sections", "words"),
    [
        (assigner_of, {"assigner": {"settings": {"groups": []}}}, ["p.yaml: assigner.settings.groups"]),
        (assigner_of, groups({"name": "a", "percentag": 1, "tasks": []}), ["percentag", "mean percentage?"]),
        (assigner_of, groups({"name": "a", "tasks": []}), ["task_groups.0", "percentage is missing"]),
        (assigner_of, groups({"percentage": "x", "tasks": []}), ["percentage", "'x'"]),
        (assigner_of, groups({"percentage": 0.4, "tasks": ["v"]}), ["p.yaml: assigner", "add up to 1"]),
        (assigner_of, groups({"percentage": 1, "tasks": ["vv"]}), ["'vv' is no task", "mean v?"]),
        (assigner_of, groups({"percentage": 1, "tasks": "v"}), ["list of names, not str"]),
        (assigner_of, {"assigner": {"template": RANDOM, "settings": {}}}, ["write a list of groups"]),
        (
            straggler_policy_of,
            {"straggler_policy": {"template": "fl_core.straggler.cutoff.Cutoff", "settings": {"cutof_s": 1}}},
            ["p.yaml: straggler_policy.settings.cutof_s", "did you mean cutoff_s?"],
        ),
        (
            straggler_policy_of,
            {"straggler_policy": {"template": "fl_core.straggler.cutoff.Cutoff"}},
            ["p.yaml: straggler_policy.settings", "cutoff_s"],
        ),
        (
            straggler_policy_of,
            {"straggler_policy": {"template": "fl_core.straggler.cutoff.Cutof"}},
            ["p.yaml: straggler_policy.template", "did you mean fl_core.straggler.cutoff.Cutoff?"],
        ),
        (
            aggregation_of,
            {"aggregator": {"settings": {"aggregation_settings": {"x": 1}}}},
            ["p.yaml: aggregator.settings.aggregation", "x", "known are none"],
        ),
        (
            exchange_of,
            {"compression_pipeline": {"template": "fl_core.compression.eden.Eden", "settings": {"bits": 1}}},
            ["p.yaml: compression_pipeline", "'bits'", "n_bits"],
        ),
        (
            exchange_of,
            {"compression_pipeline": {"settings": {"uplod": {}}}},
            ["p.yaml: compression_pipeline", "did you mean upload?"],
        ),
    ],
)
def test_errors_name_the_key_and_the_file(build: Any, sections: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(PlanError) as caught:
        build(plan(**sections), "p.yaml")
    for word in words:
        assert word in str(caught.value)


def test_a_workers_setup_is_plain_values() -> None:
    made = plan(
        aggregator={"settings": {"seed": 4}},
        data_loader={"template": "src.data.Loader", "settings": {"batch": 2}},
        task_runner={"template": "src.model.Runner"},
    )

    setup = worker_setup(made, data={"a": "1"})

    assert setup.source == "fl_core.workspace.source:open_source"
    assert setup.settings == {
        "workspace": None,
        "task_runner": {"template": "src.model.Runner", "settings": {}},
        "data_loader": {"template": "src.data.Loader", "settings": {"batch": 2}},
        "data": {"a": "1"},
        "seed": 4,
    }
    assert setup.collaborator.seed == 4
    assert worker_setup(made, seed=9).collaborator.seed == 9
