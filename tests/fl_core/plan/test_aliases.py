"""Plans written for OpenFL: names with a counterpart are replaced, all others are told."""

from __future__ import annotations

from typing import Any

import pytest

from fl_core.errors import PlanError
from fl_core.plan.aliases import COUNTERPARTS
from fl_core.plan.build import exchange_of, make
from fl_core.plan.freeze import canonical
from fl_core.plan.loader import parse_plan
from fl_core.plan.template import resolve

STRAGGLERS = "openfl.component.straggler_handling_functions"


@pytest.mark.parametrize(
    "path",
    sorted({found.path for found in COUNTERPARTS.values() if found.path and ".keras." not in found.path}),
)
def test_every_counterpart_is_there(path: str) -> None:
    assert isinstance(resolve(path), type)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (
            {
                "straggler_handling_policy": {
                    "template": f"{STRAGGLERS}.CutoffTimeBasedStragglerHandling",
                    "settings": {
                        "straggler_cutoff_time": 20,
                        "minimum_reporting": 2,
                        "round_start_time": None,
                    },
                }
            },
            {
                "straggler_policy": {
                    "template": "fl_core.straggler.cutoff.Cutoff",
                    "settings": {"cutoff_s": 20, "minimum": 2},
                }
            },
        ),
        (
            {
                "straggler_policy": {
                    "template": f"{STRAGGLERS}:PercentageBasedStragglerHandling",
                    "settings": {"percent_collaborators_needed": 0.5, "minimum_reporting": 1},
                }
            },
            {
                "straggler_policy": {
                    "template": "fl_core.straggler.percentage.Percentage",
                    "settings": {"share": 0.5, "minimum": 1},
                }
            },
        ),
        (
            {"network": {"template": "openfl.federation.Network", "settings": {"use_tls": False}}},
            {"network": {"settings": {"tls": False}}},
        ),
        (
            {
                "network": {
                    "settings": {
                        "disable_client_auth": True,
                        "hash_salt": "auto",
                        "client_reconnect_interval": 5,
                        "agg_port": 7,
                    }
                }
            },
            {"network": {"settings": {"require_client_auth": False, "agg_port": 7}}},
        ),
        (
            {"tasks": {"t": {"function": "train_batches", "kwargs": {"epochs": 2}}}},
            {"tasks": {"t": {"function": "train", "kwargs": {"epochs": 2}}}},
        ),
        (
            {"tasks": {"v": {"function": "validate_task", "kwargs": {"apply": "local"}}}},
            {"tasks": {"v": {"function": "validate", "apply": "local"}}},
        ),
        (
            {
                "compression_pipeline": {
                    "settings": {
                        "upload": {
                            "template": "openfl.pipelines.STCPipeline",
                            "settings": {"p_sparsity": 0.1, "n_clusters": 6},
                        }
                    }
                }
            },
            {
                "compression_pipeline": {
                    "settings": {
                        "upload": {
                            "template": "fl_core.compression.ternary.Ternary",
                            "settings": {"p_sparsity": 0.1},
                        }
                    }
                }
            },
        ),
        (
            {
                "aggregator": {
                    "settings": {"aggregation": "openfl.interface.aggregation_functions.WeightedAverage"}
                }
            },
            {"aggregator": {"settings": {"aggregation": "fl_core.aggregation.weighted_mean.WeightedMean"}}},
        ),
    ],
)
def test_a_plan_in_their_words_is_the_plan_in_ours(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    assert canonical(parse_plan(theirs)) == canonical(parse_plan(ours))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (
            {"assigner": {"template": "openfl.component.RandomGroupdAssigner"}},
            ["p.yaml: assigner.template", "the nearest", "openfl.component.RandomGroupedAssigner"],
        ),
        (
            {"compression_pipeline": {"template": "openfl.pipelines.SKPipeline"}},
            ["p.yaml: compression_pipeline.template", "openfl.pipelines.SKCPipeline"],
        ),
        (
            {"straggler_policy": {}, "straggler_handling_policy": {}},
            ["straggler_handling_policy", "straggler_policy as well"],
        ),
        (
            {"network": {"settings": {"use_tls": False, "tls": True}}},
            ["p.yaml: network.settings", "use_tls and tls contradict"],
        ),
        (
            {
                "straggler_policy": {
                    "template": f"{STRAGGLERS}.CutoffTimeBasedStragglerHandling",
                    "settings": {"minimum_reporting": 1, "minimum": 2},
                }
            },
            ["minimum_reporting and minimum are the same setting"],
        ),
    ],
)
def test_what_has_no_counterpart_is_told(raw: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(PlanError) as caught:
        parse_plan(raw, "p.yaml")
    for word in words:
        assert word in str(caught.value)


def test_their_pipelines_work_with_their_settings() -> None:
    settings = {
        "KCPipeline": {"p_sparsity": 0.1, "n_clusters": 6},
        "SKCPipeline": {"p_sparsity": 0.1, "n_clusters": 6},
        "STCPipeline": {"p_sparsity": 0.1, "n_clusters": 6},
        "EdenPipeline": {"n_bits": 2, "device": "cpu", "dim_threshold": 100},
        "NoCompressionPipeline": {},
        "RandomShiftPipeline": {},
    }
    for name, given in settings.items():
        section = {"template": f"openfl.pipelines.{name}", "settings": given}
        exchange_of(parse_plan({"compression_pipeline": section}))


def test_their_policies_work_with_their_settings() -> None:
    section = {
        "template": f"{STRAGGLERS}.CutoffTimeBasedStragglerHandling",
        "settings": {"straggler_cutoff_time": 20, "minimum_reporting": 2},
    }
    policy = parse_plan({"straggler_policy": section}).straggler_policy

    assert type(make(str(policy.template), policy.settings, "p.yaml: straggler_policy")).__name__ == "Cutoff"
