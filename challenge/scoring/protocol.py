"""What the scoring pool and its workers say to each other."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from challenge.scoring.case_score import CaseScore, Grid, ScoreSettings
from challenge.scoring.pairing import Pair
from partitions.case import Naming


class Prepare(msgspec.Struct, tag=True):
    """To a worker, first of all: how cases are scored."""

    settings: ScoreSettings


class Job(msgspec.Struct, tag=True):
    """To a worker: a `Pair`; file names are bytes, since not all of them are text."""

    case: str
    reference: bytes
    predictions: tuple[bytes, ...]
    naming: Naming


class Ready(msgspec.Struct, tag=True):
    """From a worker: prepared, send jobs."""


class Opened(msgspec.Struct, tag=True):
    """From a worker, during a job: the grid of the reference, should the worker not survive."""

    grid: Grid


class Scored(msgspec.Struct, tag=True):
    """From a worker: what came of the job."""

    score: CaseScore


class Failed(msgspec.Struct, tag=True):
    """From a worker: an error that is no fault of a file."""

    reason: str


def job_of(pair: Pair) -> Job:
    """Return the message for a case."""
    predictions = tuple(os.fsencode(path) for path in pair.predictions)
    return Job(pair.case, os.fsencode(pair.reference), predictions, pair.naming)


def pair_of(job: Job) -> Pair:
    """Return the case of a message."""
    predictions = tuple(Path(os.fsdecode(path)) for path in job.predictions)
    return Pair(job.case, Path(os.fsdecode(job.reference)), predictions, job.naming)
