"""The lead's folder: where it stands, the open round's journal, models and what arrived.

::

    lock                       held by the process that leads
    state.json                 the standing; replacing it commits a round
    journal-<round>.jsonl      what happened in the open round
    model-<round>.safetensors  the model that a round starts with
    optimizer-<round>.…        the averaged optimizer arrays that go with it
    arrived/<round>/<site>/    updates of the open round
    served/<round>/            the model as sites download it, where that is compressed
    spool/                     uploads under way
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from fl_core.aggregator.journal import Entries, Journal
from fl_core.durable import Disk
from fl_core.errors import InputError
from fl_core.federation.standing import Standing, StandingError, Stored
from fl_core.tensors import Tensors
from fl_core.tensors.checksum import file_checksum
from fl_core.tensors.spooled import SpooledTensors, write_stream
from fl_core.transport.messages import BlobRef
from fl_core.transport.spool import give_back

DECODED: Final = ".decoded"
"""Ending of an update that was compressed, once decoded: made again after a restart, as it was not synced."""

_SUFFIX: Final = ".safetensors"


class OtherPlan(InputError):
    """The folder holds a federation of another plan."""


class InUse(InputError):
    """Another aggregator leads from this folder."""


class StateFolder:
    """The folder of one federation, locked against a second aggregator until `close`.

    Args:
        folder: Made where it is missing.
        disk: How what a restart needs is written.

    Raises:
        InUse: Another process leads from it.
        OSError: It cannot be made or locked.
    """

    def __init__(self, folder: Path, disk: Disk) -> None:
        self.folder = folder
        self.disk = disk
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder / "lock")
        self.spool_folder = folder / "spool"
        # What lies there from before a crash can no longer be gone on with.
        shutil.rmtree(self.spool_folder, ignore_errors=True)
        for path in folder.glob(f"arrived/*/*/*{DECODED}"):
            path.unlink()

    def standing(self, plan_hash: str) -> Standing | None:
        """Return where the federation stands; None before its first commit.

        Raises:
            OtherPlan: The folder belongs to another plan.
            StandingError: The state file or a file it names is damaged.
        """
        path = self.folder / "state.json"
        if not path.is_file():
            return None
        standing = Standing.from_bytes(path.read_bytes(), str(path))
        if standing.plan != plan_hash:
            raise OtherPlan(
                f"{self.folder} holds a federation of the plan {_short(standing.plan)}, and the plan here is "
                f"{_short(plan_hash)}: move the folder away to begin anew, or go back to that plan"
            )
        for stored in (standing.model, standing.best, standing.optimizer):
            if stored is not None:
                self._see_whole(stored)
        return standing

    def commit(self, standing: Standing) -> None:
        """Replace the standing, durably: from here on a restart begins after the round."""
        self.disk.write(self.folder / "state.json", standing.to_bytes())

    def store(self, kind: str, round: int, tensors: Tensors) -> Stored:
        """Write a model or optimizer; it is durable only after `sync`.

        Raises:
            TensorError: An array is of a dtype that files do not hold.
            OSError: The disk refused.
        """
        path = self.folder / f"{kind}-{round}{_SUFFIX}"
        partial = path.with_name(f".{path.name}.tmp")
        try:
            written = write_stream(partial, tensors)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return Stored(path.name, BlobRef(written.checksum, written.size))

    def sync(self, stored: Stored) -> None:
        """Make a file durable, before a standing names it.

        Raises:
            OSError: The disk refused.
        """
        self.disk.sync(self.path_of(stored))

    def path_of(self, stored: Stored) -> Path:
        """Return a stored file's path."""
        return self.folder / stored.file

    def tensors(self, stored: Stored) -> SpooledTensors:
        """Return a stored file's tensors, mapped as they are used."""
        return SpooledTensors(self.path_of(stored))

    def begin_journal(self, round: int, about: Mapping[str, Any]) -> Journal:
        """Begin a round's journal."""
        return Journal.begin(self._journal(round), {**about, "round": round}, self.disk)

    def resume_journal(self, round: int, model: BlobRef) -> tuple[Journal, Entries] | None:
        """Go on with a round's journal; None where the round was not opened on this model.

        Raises:
            JournalError: It is damaged.
        """
        path = self._journal(round)
        if not path.is_file():
            return None
        journal, entries = Journal.resume(path, self.disk)
        return (journal, entries) if entries.about.get("model") == model.checksum else None

    def arrived(self, round: int, site: str, blob: BlobRef) -> Path:
        """Return where an update of the open round lies once it was taken."""
        return self.folder / "arrived" / str(round) / site / f"{blob.checksum.removeprefix('xxh3:')}{_SUFFIX}"

    def take(self, round: int, site: str, blob: BlobRef, uploaded: Path) -> Path:
        """Let an upload lie where the round's updates lie; doing so twice changes nothing.

        It keeps its name in the spool until that is cleared: the site may ask again before it has the answer.

        Raises:
            OSError: The disk refused.
        """
        path = self.arrived(round, site, blob)
        path.parent.mkdir(parents=True, exist_ok=True)
        named = path.with_suffix(f".{threading.get_ident()}")
        try:
            os.link(uploaded, named)
        except PermissionError:  # a file system without links
            uploaded.replace(path)
            return path
        named.replace(path)
        named.unlink(missing_ok=True)  # nothing is replaced where both names are of one file
        return path

    def intact(self, round: int, site: str, blob: BlobRef) -> Path | None:
        """Return the file of an update that outlived a restart, if its bytes are still what they were."""
        path = self.arrived(round, site, blob)
        if not path.is_file() or path.stat().st_size != blob.size:
            return None
        return path if file_checksum(path) == blob.checksum else None

    def tidy(self, standing: Standing, keep_rounds: int) -> None:
        """Remove what no restart needs: closed rounds' journals and updates, models too old to be kept."""
        now = standing.aggregator.round
        named = {s.file for s in (standing.model, standing.best, standing.optimizer) if s is not None}
        for path in self.folder.glob("journal-*.jsonl"):
            if _round_of(path) < now:
                path.unlink(missing_ok=True)
        for kind, kept in (("model", keep_rounds), ("optimizer", 1)):
            rounds = sorted((_round_of(p), p) for p in self.folder.glob(f"{kind}-*{_SUFFIX}"))
            for _, path in rounds[:-kept] if kept > 0 else []:
                if path.name not in named:
                    path.unlink(missing_ok=True)
        for path in (*(self.folder / "arrived").glob("*"), *(self.folder / "served").glob("*")):
            if path.name.isdigit() and int(path.name) < now:
                for update in path.glob(f"*/*{_SUFFIX}"):
                    give_back(update, self.spool_folder)
                shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Let another aggregator lead from here; safe to call twice."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _journal(self, round: int) -> Path:
        return self.folder / f"journal-{round}.jsonl"

    def _see_whole(self, stored: Stored) -> None:
        path = self.path_of(stored)
        try:
            whole = path.stat().st_size == stored.blob.size and file_checksum(path) == stored.blob.checksum
        except FileNotFoundError:
            whole = False
        if not whole:
            raise StandingError(
                f"{path}: is missing or was changed since it was written: restore it, or move "
                f"{self.folder} away to begin anew"
            )


def _locked(path: Path) -> int | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
        os.close(handle)
        raise InUse(
            f"{path.parent}: another aggregator (process {owner or 'unknown'}) leads from here; "
            "end it first, or use another workspace"
        ) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle


def _round_of(path: Path) -> int:
    number = path.name.split("-", 1)[1].split(".", 1)[0]
    return int(number) if number.isdigit() else -1


def _short(plan_hash: str) -> str:
    return plan_hash.removeprefix("sha256:")[:12]
