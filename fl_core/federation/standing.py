"""How far a federation has come: one value, written whole at every commit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fl_core.aggregator.state import AggregatorState
from fl_core.errors import FederationError
from fl_core.transport.messages import BlobRef

SCHEMA: Final = "federation-state/1"


class StandingError(FederationError):
    """A state file that this program did not write."""


@dataclass(frozen=True)
class Stored:
    """A file of tensors in the state folder.

    Attributes:
        file: Its name there.
        blob: Its checksum and size.
    """

    file: str
    blob: BlobRef


@dataclass(frozen=True)
class Standing:
    """What a restart goes on from.

    Attributes:
        plan: Hash of the frozen plan.
        federation: The federation's own name, the same over restarts.
        aggregator: The rules' state between two rounds.
        model: The global model.
        best: The best model so far; None while nothing was scored.
        optimizer: The averaged optimizer arrays; None where there are none.
        scored: Digest of the newest model that was scored.
        finished: Whether all rounds are over.
        joined: Sites that ever were connected.
        answers: Work's key and fingerprint of the last delivery of each site that counted: a site that did
            not hear so asks again, and what it keeps between rounds depends on the answer.
    """

    plan: str
    federation: str
    aggregator: AggregatorState
    model: Stored
    best: Stored | None = None
    optimizer: Stored | None = None
    scored: str = ""
    finished: bool = False
    joined: tuple[str, ...] = ()
    answers: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return canonical JSON from which `from_bytes` makes an equal standing."""
        plain = {
            "schema": SCHEMA,
            "plan": self.plan,
            "federation": self.federation,
            "aggregator": self.aggregator.to_plain(),
            "model": _plain(self.model),
            "best": _plain(self.best),
            "optimizer": _plain(self.optimizer),
            "scored": self.scored,
            "finished": self.finished,
            "joined": list(self.joined),
            "answers": {site: list(answer) for site, answer in self.answers.items()},
        }
        return json.dumps(plain, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"

    @classmethod
    def from_bytes(cls, content: bytes, where: str) -> Standing:
        """Rebuild a standing.

        Raises:
            StandingError: It is none, or of another version.
        """
        mend = "restore the file, or move its folder away to begin anew"
        try:
            plain = json.loads(content)
            schema = plain.get("schema")
            if schema != SCHEMA:
                raise StandingError(f"{where}: has the schema {schema!r}; this program reads {SCHEMA!r}")
            model = _stored(plain["model"])
            if model is None:
                raise StandingError(f"{where}: names no model; {mend}")
            return cls(
                plan=plain["plan"],
                federation=plain["federation"],
                aggregator=AggregatorState.from_plain(plain["aggregator"]),
                model=model,
                best=_stored(plain["best"]),
                optimizer=_stored(plain["optimizer"]),
                scored=plain["scored"],
                finished=plain["finished"],
                joined=tuple(plain["joined"]),
                answers={site: (key, found) for site, (key, found) in plain["answers"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StandingError(f"{where}: is damaged ({type(error).__name__}: {error}); {mend}") from error


def _plain(stored: Stored | None) -> dict[str, Any] | None:
    if stored is None:
        return None
    return {"file": stored.file, "checksum": stored.blob.checksum, "size": stored.blob.size}


def _stored(plain: Mapping[str, Any] | None) -> Stored | None:
    if plain is None:
        return None
    return Stored(plain["file"], BlobRef(plain["checksum"], plain["size"]))
