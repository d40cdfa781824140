"""What is still to be told to MLflow: messages, and the file where unsent ones wait."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from leaderboard.errors import OutboxError

SCHEMA = "outbox/1"
Kind = Literal["open", "params", "tags", "round", "site", "artifacts", "finish"]


_NEEDED = {
    "round": ("step", "time_ms", "metrics", "not_finite"),
    "site": ("site", "rounds"),
    "artifacts": ("folder",),
    "finish": ("status", "time_ms"),
}


@dataclass(frozen=True)
class Message:
    """One thing to tell MLflow, in plain JSON values.

    Attributes:
        kind: ``open`` starts or finds the run and is never kept in a file.
        content: By kind: parameters, tags, ``{step, time_ms, metrics, not_finite}``, ``{site,
            rounds}`` (a list of the former), ``{folder}``,
            ``{status, time_ms}``.
    """

    kind: Kind
    content: Mapping[str, Any]


def round_message(step: int, metrics: Mapping[str, float], time_ms: int) -> Message:
    """Return the message of one round; NaN and infinite values stand apart, as text.

    Example:
        >>> round_message(3, {"score": 0.5, "loss": float("nan")}, 0).content["not_finite"]
        {'loss': 'nan'}
    """
    values = {name: float(value) for name, value in metrics.items()}
    return Message(
        "round",
        {
            "step": step,
            "time_ms": time_ms,
            "metrics": {name: value for name, value in values.items() if math.isfinite(value)},
            "not_finite": {name: str(value) for name, value in values.items() if not math.isfinite(value)},
        },
    )


def save_outbox(path: Path, messages: Iterable[Message]) -> None:
    """Replace the file by these messages, a JSON line each; without messages there is no file.

    Raises:
        OSError: The disk refused.
    """
    lines = [
        json.dumps({"schema": SCHEMA, "kind": message.kind, "content": dict(message.content)}, sort_keys=True)
        for message in messages
        if message.kind != "open"
    ]
    if not lines:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load_outbox(path: Path) -> list[Message]:
    """Return the messages of an earlier process; none when there is no file.

    Raises:
        OutboxError: The file is not such a list of messages.
    """
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OutboxError(f"{path} cannot be read ({error}); move it away to go on without it") from error
    return [_message(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1)]


def _message(line: str, where: str) -> Message:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise OutboxError(f"{where} is not JSON ({error}); move the file away to go on without it") from error
    if not isinstance(entry, dict) or entry.get("schema") != SCHEMA:
        raise OutboxError(f"{where} is not of the schema {SCHEMA}; send it with the version that wrote it")
    if entry.get("kind") not in get_args(Kind) or not isinstance(entry.get("content"), dict):
        raise OutboxError(f"{where} has no known kind and content; move the file away to go on without it")
    missing = [name for name in _NEEDED.get(entry["kind"], ()) if name not in entry["content"]]
    if missing:
        raise OutboxError(f"{where} lacks {missing[0]}; move the file away to go on without it")
    return Message(entry["kind"], entry["content"])
