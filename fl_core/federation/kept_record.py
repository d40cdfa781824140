"""The records in a site's folder: a finished work, and the state that counts after a round, as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fl_core.errors import FederationError
from fl_core.executor.base import TaskReport
from fl_core.transport.messages import BlobRef, Delivery

RESULT_SCHEMA: Final = "site-result/1"


class BadRecord(FederationError):
    """A record that is torn or of another kind."""


@dataclass(frozen=True)
class Record:
    """A finished work.

    Attributes:
        name: Of the work, see `fl_core.federation.kept.name_of`.
        delivery: What is handed in.
        state: What the site keeps after it; none where nothing changed.
        accepted: Whether the aggregator took it.
    """

    name: str
    delivery: Delivery
    state: BlobRef | None = None
    accepted: bool = False


@dataclass(frozen=True)
class State:
    """A site's state after a round: the work that made it, and its file's content."""

    work: str
    blob: BlobRef

    def plain(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"work": self.work, **_plain_blob(self.blob)}

    @classmethod
    def of(cls, plain: Any) -> State:
        """Return what `plain` returned.

        Raises:
            BadRecord: It is something else.
        """
        try:
            return cls(str(plain["work"]), BlobRef(str(plain["checksum"]), int(plain["size"])))
        except (KeyError, TypeError, ValueError) as error:
            raise BadRecord(f"no state: {plain!r:.80}") from error


def record_text(record: Record) -> str:
    """Return a record as JSON."""
    delivery = record.delivery
    content = {
        "schema": RESULT_SCHEMA,
        "key": delivery.key,
        "round": delivery.round,
        "reports": [_plain_report(report) for report in delivery.reports],
        "update": _plain_blob(delivery.update) if delivery.update else None,
        "local_state": _plain_blob(delivery.local_state) if delivery.local_state else None,
        "wall_s": delivery.wall_s,
        "state": _plain_blob(record.state) if record.state else None,
        "accepted": record.accepted,
    }
    return json.dumps(content, indent=1)


def record_of(name: str, path: Path) -> Record:
    """Return the record in a file.

    Raises:
        BadRecord: The file is torn, or holds something else.
    """
    content = read_json(path, RESULT_SCHEMA)
    try:
        delivery = Delivery(
            key=str(content["key"]),
            round=int(content["round"]),
            reports=tuple(_report(plain) for plain in content["reports"]),
            update=_blob(content["update"]),
            local_state=_blob(content["local_state"]),
            wall_s=float(content["wall_s"]),
        )
        return Record(name, delivery, _blob(content["state"]), bool(content["accepted"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRecord(f"{path}: {type(error).__name__}: {error}") from error


def read_json(path: Path, schema: str) -> dict[str, Any]:
    """Return a JSON file's object.

    Raises:
        BadRecord: The file cannot be read, or is of another schema.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadRecord(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(content, dict) or content.get("schema") != schema:
        raise BadRecord(f"{path}: is not of the schema {schema}")
    return content


def _plain_blob(blob: BlobRef) -> dict[str, Any]:
    return {"checksum": blob.checksum, "size": blob.size}


def _blob(plain: Any) -> BlobRef | None:
    return None if plain is None else BlobRef(str(plain["checksum"]), int(plain["size"]))


def _plain_report(report: TaskReport) -> dict[str, Any]:
    return {
        "task": report.task,
        "metrics": dict(report.metrics),
        "samples": report.samples,
        "trains": report.trains,
        "rows": [dict(row) for row in report.rows],
    }


def _report(plain: Any) -> TaskReport:
    return TaskReport(
        task=str(plain["task"]),
        metrics={str(name): float(value) for name, value in plain["metrics"].items()},
        samples=int(plain["samples"]),
        trains=bool(plain["trains"]),
        rows=tuple(dict(row) for row in plain["rows"]),
    )
