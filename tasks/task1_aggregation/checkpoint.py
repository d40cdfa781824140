"""Checkpoints: arrays in files named by their content, and one small file that commits them.

``checkpoint/state.json`` is replaced atomically after the files it names are safe; arrays that it does
not name are litter of an interrupted round and are removed. Files of others (what MLflow has not been
told yet) stay.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fl_core.durable import Disk
from fl_core.errors import InputError
from fl_core.tensors import Tensors
from fl_core.tensors.codec import decode, encode
from tasks.task1_aggregation.run_state import RunState, put_together, take_apart

SCHEMA = "task1-checkpoint/1"


class CheckpointError(InputError):
    """A checkpoint that cannot be used; says why and what would do."""


class Checkpoint:
    """A run's ``checkpoint`` folder.

    Args:
        folder: The folder, which exists.
        disk: How files are written.
    """

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk

    @property
    def exists(self) -> bool:
        """Whether a state was ever committed."""
        return (self._folder / "state.json").is_file()

    def put(self, tensors: Tensors, metadata: Mapping[str, Any] | None = None) -> tuple[str, int]:
        """Store arrays; return the name by which `get` finds them, and the number of bytes."""
        content = encode(tensors, metadata)
        name = hashlib.sha256(content).hexdigest()
        path = self._path(name)
        if not path.exists():
            self._disk.write(path, content)
        return name, len(content)

    def get(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the arrays stored under a name, and their metadata.

        Raises:
            CheckpointError: The file is gone or its content is not what its name says.
        """
        path = self._path(name)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CheckpointError(f"{path}: {error.strerror}; the checkpoint cannot be resumed") from error
        if hashlib.sha256(content).hexdigest() != name:
            raise CheckpointError(f"{path}: its content was changed; the checkpoint cannot be resumed")
        tensors, metadata = decode(content)
        return dict(tensors), dict(metadata or {})

    def save(self, state: RunState, identity: Mapping[str, str], extra: Mapping[str, Any]) -> None:
        """Commit a state.

        Args:
            state: The run between two rounds.
            identity: Digests by what they are of; a resume compares them.
            extra: Plain values of the caller (e.g. the tracking run's id).

        Raises:
            OSError: The disk refused; the state committed before is still whole.
        """
        plain, groups = take_apart(state)
        objects = {name: self.put(tensors)[0] for name, tensors in groups.items()}
        document = {
            "schema": SCHEMA,
            "identity": dict(identity),
            "extra": dict(extra),
            "objects": objects,
            "state": plain,
        }
        # Not sorted: a strategy sees the order of its own state and of the metrics in its history.
        content = json.dumps(document, separators=(",", ":")).encode()
        self._disk.write(self._folder / "state.json", content)
        self._remove_litter([*objects.values(), *(call.updates for call in state.calls)])

    def load(self, identity: Mapping[str, str]) -> tuple[RunState, dict[str, Any]]:
        """Return the committed state and the caller's values.

        Raises:
            CheckpointError: There is none, it is damaged, or something that must be equal is not.
        """
        path = self._folder / "state.json"
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise CheckpointError(f"{path}: there is no checkpoint to resume") from error
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path}: cannot be read: {error}") from error
        if document.get("schema") != SCHEMA:
            raise CheckpointError(
                f"{path}: its format is {document.get('schema')!r}, this version reads {SCHEMA!r}"
            )
        _compare(document["identity"], identity)
        groups = {name: self.get(digest)[0] for name, digest in document["objects"].items()}
        return put_together(document["state"], groups), document["extra"]

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.safetensors"

    def _remove_litter(self, keep: Iterable[str]) -> None:
        kept = {self._path(name).name for name in keep if name}
        for pattern in ("*.safetensors", ".*.safetensors.tmp", ".state.json.tmp"):
            for file in self._folder.glob(pattern):
                if file.name not in kept:
                    file.unlink(missing_ok=True)


def _compare(saved: Mapping[str, str], current: Mapping[str, str]) -> None:
    changed = sorted(name for name in {*saved, *current} if saved.get(name) != current.get(name))
    if changed:
        what = ", ".join(changed)
        raise CheckpointError(
            f"cannot resume: {what} changed since the run began "
            f"({changed[0]}: {saved.get(changed[0])} then, {current.get(changed[0])} now); "
            "put it back as it was, or start a new run"
        )
