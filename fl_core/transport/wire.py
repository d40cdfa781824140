"""The protocol's messages and the values they stand for; nothing that comes in is believed unchecked."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fl_core.errors import InputError
from fl_core.executor.base import TaskReport
from fl_core.transport import federation_pb2 as pb
from fl_core.transport.messages import (
    BlobRef,
    Delivery,
    Farewell,
    Instruction,
    Release,
    Welcome,
    Withdrawal,
    Work,
)

MOST_TASKS: Final = 64
MOST_METRICS: Final = 1024
LONGEST_TEXT: Final = 4096
LARGEST_WHOLE: Final = 1 << 63
"""Whole numbers in rows are smaller: as large as a table's column holds."""
_CHECKSUM = re.compile(r"xxh3:[0-9a-f]{32}")
_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


class MessageError(InputError):
    """A message that breaks the protocol; its sender is told which rule."""


class TransferError(MessageError):
    """A transfer that went wrong on its way; tried again, it may succeed."""


def printable(text: str) -> str:
    r"""Return text of a stranger so that it steers no terminal and stays on one line of a log.

    Example:
        >>> printable("epoch 3" + chr(27) + "[2J")
        'epoch 3\\x1b[2J'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def blob_message(blob: BlobRef) -> pb.Blob:
    """Return the message for a blob's name."""
    return pb.Blob(checksum=blob.checksum, size=blob.size)


def blob_of(message: pb.Blob) -> BlobRef:
    """Return the blob's name that a message holds.

    Raises:
        MessageError: It is no checksum, which is also a file's name.
    """
    if not _CHECKSUM.fullmatch(message.checksum):
        raise MessageError(f"{message.checksum[:80]!r} is no checksum of a blob")
    return BlobRef(message.checksum, message.size)


def instruction_message(instruction: Instruction | None) -> pb.Instruction:
    """Return the message for an instruction; for None, a beat."""
    match instruction:
        case None:
            return pb.Instruction(beat=pb.Instruction.Beat())
        case Withdrawal(key, reason):
            return pb.Instruction(withdrawal=pb.Withdrawal(key=key, reason=reason))
        case Release(round_):
            return pb.Instruction(release=pb.Release(round=round_))
        case Farewell(text):
            return pb.Instruction(farewell=pb.Farewell(text=text))
        case Work():
            return pb.Instruction(work=_work_message(instruction))


def instruction_of(message: pb.Instruction) -> Instruction | None:
    """Return the instruction that a message holds; None for a beat.

    Raises:
        MessageError: It breaks the protocol.
    """
    match message.WhichOneof("kind"):
        case "beat":
            return None
        case "work":
            return _work_of(message.work)
        case "withdrawal":
            return Withdrawal(_key(message.withdrawal.key), message.withdrawal.reason[:LONGEST_TEXT])
        case "release":
            return Release(message.release.round)
        case "farewell":
            return Farewell(message.farewell.text[:LONGEST_TEXT])
        case _:
            raise MessageError("an instruction of a kind that this version does not know")


def delivery_message(delivery: Delivery) -> pb.Delivery:
    """Return the message for a delivery."""
    results = [
        pb.TaskResult(
            task=report.task,
            metrics=[pb.Metric(name=name, value=value) for name, value in report.metrics.items()],
            samples=report.samples,
            trains=report.trains,
            rows=json.dumps([dict(row) for row in report.rows]) if report.rows else "",
        )
        for report in delivery.reports
    ]
    return pb.Delivery(
        key=delivery.key,
        round=delivery.round,
        results=results,
        update=blob_message(delivery.update) if delivery.update else None,
        local_state=blob_message(delivery.local_state) if delivery.local_state else None,
        wall_s=delivery.wall_s,
        failure=delivery.failure[:LONGEST_TEXT],
    )


def delivery_of(message: pb.Delivery) -> Delivery:
    """Return the delivery that a message holds.

    Raises:
        MessageError: It breaks the protocol, or a number of it is none.
    """
    if len(message.results) > MOST_TASKS:
        raise MessageError(f"{len(message.results)} results; at most {MOST_TASKS} are taken")
    return Delivery(
        key=_key(message.key),
        round=message.round,
        reports=tuple(_report(result) for result in message.results),
        update=blob_of(message.update) if message.HasField("update") else None,
        local_state=blob_of(message.local_state) if message.HasField("local_state") else None,
        wall_s=message.wall_s if math.isfinite(message.wall_s) else 0.0,
        failure=printable(message.failure[:LONGEST_TEXT]),
    )


def welcome_message(welcome: Welcome) -> pb.JoinReply:
    """Return the message for a welcome."""
    return pb.JoinReply(
        version=welcome.version, name=welcome.name, beat_s=welcome.beat_s, part_bytes=welcome.part_bytes
    )


def welcome_of(message: pb.JoinReply) -> Welcome:
    """Return the welcome that a message holds, within bounds that a site can live with."""
    beat_s = min(max(message.beat_s, 0.05), 300.0) if math.isfinite(message.beat_s) else 300.0
    return Welcome(message.version, message.name, beat_s, min(max(message.part_bytes, 1 << 12), 1 << 26))


def _work_message(work: Work) -> pb.Work:
    return pb.Work(
        key=work.key,
        round=work.round,
        tasks=work.tasks,
        settings=json.dumps({task: dict(values) for task, values in work.settings.items()}),
        local_names=work.local_names,
        model=blob_message(work.model),
        extras=blob_message(work.extras) if work.extras else None,
        local_state=blob_message(work.local_state) if work.local_state else None,
    )


def _work_of(message: pb.Work) -> Work:
    settings = _json(message.settings or "{}", "settings")
    if not isinstance(settings, dict) or not all(isinstance(v, dict) for v in settings.values()):
        raise MessageError("the settings of a work are no values by task")
    return Work(
        key=_key(message.key),
        round=message.round,
        tasks=tuple(message.tasks),
        model=blob_of(message.model),
        settings=settings,
        local_names=tuple(message.local_names),
        extras=blob_of(message.extras) if message.HasField("extras") else None,
        local_state=blob_of(message.local_state) if message.HasField("local_state") else None,
    )


def _report(message: pb.TaskResult) -> TaskReport:
    if len(message.metrics) > MOST_METRICS:
        raise MessageError(f"task {message.task!r}: {len(message.metrics)} metrics; {MOST_METRICS} are taken")
    rows = _json(message.rows, "rows") if message.rows else []
    return TaskReport(
        task=message.task,
        metrics={metric.name: metric.value for metric in message.metrics},
        samples=message.samples,
        trains=message.trains,
        rows=_rows(rows),
    )


def _rows(rows: Any) -> tuple[Mapping[str, str | float | int], ...]:
    if not isinstance(rows, Sequence) or not all(
        isinstance(row, dict) and all(_fits(value) for value in (*row, *row.values())) for row in rows
    ):
        raise MessageError("rows are no list of values by name")
    return tuple(rows)


def _fits(value: Any) -> bool:
    """Whether a value can stand in a table: short text that is text, or a number of 64 bits."""
    match value:
        case str():
            return len(value) <= LONGEST_TEXT and value.isprintable()
        case int():
            return -LARGEST_WHOLE <= value < LARGEST_WHOLE
        case _:
            return isinstance(value, float)


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"{what}: no JSON: {error}") from error


def _key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise MessageError(f"{key[:80]!r} is no name of a work")
    return key
