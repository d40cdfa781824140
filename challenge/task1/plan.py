"""The plan of a Task 1 federation: what the engine is told of a configuration."""

from __future__ import annotations

from typing import Any

from challenge.config import Task1Config
from fl_core.plan.loader import parse_plan
from fl_core.plan.schema import Plan
from tasks.task1_aggregation.round_work import HIDDEN_TEST, TRAIN, VALIDATE, VALIDATE_LOCAL

SOURCE = "tasks.segmentation.runner:open_source"
SITE_SOURCE = "tasks.segmentation.site_source:open_source"
"""Prepares a site's cases where they are."""


def task1_plan(config: Task1Config) -> Plan:
    """Return the plan that a resolved configuration means."""
    return parse_plan(_sections(config), source="the plan of Task 1")


def workspace_sections(config: Task1Config, *, draws_test: bool) -> dict[str, Any]:
    """Return the sections of the plan of a workspace whose sites are on other machines.

    Every party agrees that values per case come back, without which there were no hidden test; and that what
    a site keeps between rounds stays there.

    Args:
        config: Resolved.
        draws_test: Whether sites draw hidden test cases; otherwise their partition marks them.
    """
    sections = _sections(config)
    sections["aggregator"]["settings"]["seed"] = config.seed
    sections["collaborator"]["settings"]["shares_rows"] = True
    sections["task_runner"] = {
        "template": SITE_SOURCE,
        "settings": {
            "network": dict(config.network),
            "training": dict(config.training),
            "device": config.device,
            "seed": config.seed,
            "train_fraction": config.train_fraction,
            "test_fraction": config.test_fraction if draws_test else 0.0,
        },
    }
    del sections["assigner"]  # who does what is the strategy's affair, which sites need not know
    sections["network"] = {"settings": {"agg_addr": "auto", "agg_port": "auto"}}
    return sections


def _sections(config: Task1Config) -> dict[str, Any]:
    return {
        "aggregator": {
            "settings": {
                "rounds_to_train": config.rounds,
                "best_metric": "dice",
                "best_direction": "higher",
            }
        },
        "collaborator": {
            "settings": {
                "opt_treatment": config.opt_treatment.value,
                "delta_updates": config.delta_updates,
            }
        },
        "task_runner": {
            "template": SOURCE,
            "settings": {"network": dict(config.network), "training": dict(config.training)},
        },
        "assigner": {"template": "fl_core.assigner.functional.FunctionalAssigner"},
        "tasks": {
            VALIDATE: {"function": "validate", "apply": "global"},
            TRAIN: {"function": "train"},
            VALIDATE_LOCAL: {"function": "validate", "apply": "local"},
            HIDDEN_TEST: {"function": "validate", "apply": "global"},
        },
    }
