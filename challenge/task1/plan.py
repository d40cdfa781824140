"""The plan of a Task 1 federation: what the engine is told of a configuration."""

from __future__ import annotations

from challenge.config import Task1Config
from fl_core.plan.loader import parse_plan
from fl_core.plan.schema import Plan
from tasks.task1_aggregation.round_work import HIDDEN_TEST, TRAIN, VALIDATE, VALIDATE_LOCAL

SOURCE = "tasks.segmentation.runner:open_source"


def task1_plan(config: Task1Config) -> Plan:
    """Return the plan that a resolved configuration means."""
    return parse_plan(
        {
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
        },
        source="the plan of Task 1",
    )
