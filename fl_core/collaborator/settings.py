"""What a plan tells its collaborators: the tasks, the optimizer's fate, deltas or whole models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class OptTreatment(StrEnum):
    """What becomes of an optimizer's state between rounds."""

    RESET = "RESET"
    CONTINUE_LOCAL = "CONTINUE_LOCAL"
    CONTINUE_GLOBAL = "CONTINUE_GLOBAL"


@dataclass(frozen=True)
class TaskSpec:
    """A task of the plan.

    Attributes:
        function: Whether the task changes the model (``train``) or measures it (``validate``).
        apply: For validation: the model as received (``global``) or as trained here (``local``).
        settings: Plain values given to the task runner; a job's settings override them.
    """

    function: Literal["train", "validate"]
    apply: Literal["global", "local"] = "global"
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CollaboratorSettings:
    """How every collaborator of a federation behaves.

    Attributes:
        tasks: The plan's tasks by name.
        seed: The run's seed.
        opt_treatment: RESET starts a fresh optimizer each round; CONTINUE_LOCAL keeps the site's
            own; CONTINUE_GLOBAL loads the average over the sites before training.
        delta_updates: Send ``trained - received`` instead of whole models.
    """

    tasks: Mapping[str, TaskSpec]
    seed: int = 0
    opt_treatment: OptTreatment = OptTreatment.RESET
    delta_updates: bool = False
