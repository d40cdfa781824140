"""What the harness and a package's process say to each other; nothing in an answer is trusted."""

from __future__ import annotations

from typing import Annotated

import msgspec

from challenge.isolation.limits import Limits
from tasks.task2_evaluation.case_input import CaseInput
from tasks.task2_evaluation.failure import MOST_FRAMES
from tasks.task2_evaluation.lanes.base import AnswerFault

MAX_TEXT = 1000
Word = Annotated[str, msgspec.Meta(max_length=256)]
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
Place = tuple[Word, int]


class Open(msgspec.Struct, tag=True):
    """To the process, first of all: which package to open, within which limits."""

    folder: str
    scratch: str
    limits: Limits
    seed: int


class CaseFacts(msgspec.Struct, tag=True):
    """To the process: predict this case; its images are the set of arrays beside it."""

    number: int
    name: str
    spacing: tuple[float, float, float]
    origin: tuple[float, ...]
    direction: tuple[float, ...]


class Opened(msgspec.Struct, tag=True):
    """From the process: the model is loaded."""


class Labelled(msgspec.Struct, tag=True):
    """From the process: the set of arrays beside it holds ``labels``."""

    number: int


class Refused(msgspec.Struct, tag=True):
    """From the process: there is a prediction that cannot be handed over, or none."""

    number: int
    status: AnswerFault


class Raised(msgspec.Struct, tag=True):
    """From the process: code raised. `rule` tells in words what, and is read only while loading."""

    number: int
    exception: Word
    frames: Annotated[tuple[Place, ...], msgspec.Meta(max_length=MOST_FRAMES)] = ()
    rule: Text = ""


def facts_of(case: CaseInput, number: int) -> CaseFacts:
    """Return the message for a case."""
    return CaseFacts(number, case.name, case.spacing, case.origin, case.direction)
