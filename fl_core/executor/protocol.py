"""What the local executor and its workers say to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fl_core.collaborator.settings import CollaboratorSettings
from fl_core.executor.base import SiteJob, SiteReport, TaskReport, WorkerSetup
from fl_core.ipc.frames import BadFrame, encode
from fl_core.tensors import Array, Tensors


class Prepare(msgspec.Struct, tag=True):
    """To a worker, first of all: what it needs to serve any site."""

    source: str
    settings: dict[str, Any]
    collaborator: CollaboratorSettings


class Model(msgspec.Struct, tag=True):
    """To a worker, once a round: the global model, the only set of arrays beside it."""


class Job(msgspec.Struct, tag=True):
    """To a worker: a `SiteJob`; its extras and local state are the two sets of arrays beside it."""

    site: str
    round: int
    tasks: tuple[str, ...]
    settings: dict[str, dict[str, Any]]
    local_names: tuple[str, ...]
    cost: float


class Ready(msgspec.Struct, tag=True):
    """From a worker: prepared, send a model and jobs."""


class Done(msgspec.Struct, tag=True):
    """From a worker: a `SiteReport`; its update and local state are the two sets of arrays beside it."""

    site: str
    round: int
    reports: tuple[TaskReport, ...]
    wall_s: float


class Failed(msgspec.Struct, tag=True):
    """From a worker: the work raised an error, which it would raise anywhere.

    `exit_code` is that of a `FederationError`, or 0 for any other exception.
    """

    message: str
    exit_code: int


def prepare(setup: WorkerSetup) -> Prepare:
    """Return the message for a setup."""
    return Prepare(setup.source, dict(setup.settings), setup.collaborator)


def setup_of(message: Prepare) -> WorkerSetup:
    """Return the setup that a message holds."""
    return WorkerSetup(message.source, message.settings, message.collaborator)


def job_message(job: SiteJob) -> tuple[Job, list[Tensors]]:
    """Return the message for a job, and its sets of arrays."""
    settings = {task: dict(values) for task, values in job.settings.items()}
    message = Job(job.site, job.round, tuple(job.tasks), settings, tuple(job.local_names), job.cost)
    return message, [job.extras, job.local_state]


def job_of(message: Job, sets: list[dict[str, Array]]) -> SiteJob:
    """Return the job that a message holds.

    Raises:
        BadFrame: It came without its two sets of arrays.
    """
    extras, local_state = _two(sets)
    return SiteJob(
        site=message.site,
        round=message.round,
        tasks=message.tasks,
        settings=message.settings,
        extras=extras,
        local_state=local_state,
        local_names=message.local_names,
        cost=message.cost,
    )


def report_message(report: SiteReport) -> tuple[Done, list[Tensors]]:
    """Return the message for a report, and its sets of arrays."""
    return Done(report.site, report.round, report.reports, report.wall_s), [
        report.tensors,
        report.local_state,
    ]


def report_of(message: Done, sets: list[dict[str, Array]]) -> SiteReport:
    """Return the report that a message holds.

    Raises:
        BadFrame: It came without its two sets of arrays.
    """
    tensors, local_state = _two(sets)
    return SiteReport(
        site=message.site,
        round=message.round,
        reports=message.reports,
        tensors=tensors,
        local_state=local_state,
        wall_s=message.wall_s,
    )


def as_received(job: SiteJob) -> SiteJob:
    """Return the job as a worker would receive it: plain values, read-only arrays.

    Work done in this process goes through it too, so that no rounding of a NumPy scalar and no
    write into a shared array can tell one number of workers from another.
    """
    message, sets = job_message(job)
    plain = msgspec.msgpack.decode(encode(message), type=Job)
    return job_of(plain, [read_only(tensors) for tensors in sets])


def setup_as_received(setup: WorkerSetup) -> WorkerSetup:
    """Return the setup as a worker would receive it."""
    return setup_of(msgspec.msgpack.decode(encode(prepare(setup)), type=Prepare))


def read_only(tensors: Tensors) -> dict[str, Array]:
    """Return read-only views of the arrays."""
    views: dict[str, Array] = {}
    for name, array in tensors.items():
        views[name] = array.view()
        views[name].flags.writeable = False
    return views


def _two(sets: list[dict[str, Array]]) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
    if len(sets) != 2:
        raise BadFrame(f"a job or report came with {len(sets)} sets of arrays instead of 2")
    return sets[0], sets[1]
