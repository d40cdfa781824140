"""What a site keeps on its own disk: results until the aggregator has them for good, and its local state.

A folder holds::

    lock                         held by the process that works for the site
    site.json                    the plan's hash, the farewell once it was read, and whether all was handed in
    result-<work>.json           a work that was done, and what became of it
    update-<work>.safetensors    what was trained
    state-<work>.safetensors     what the site kept after it (optimizer, tensors that stay local)
    local.json                   which of these states counts after which round

Results are not synced: after a power loss their checksums do not fit, and the work is done again. States
are, because nothing could make them again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from fl_core.durable import Disk
from fl_core.errors import FederationError, InputError
from fl_core.executor.base import TaskReport
from fl_core.federation.kept_record import BadRecord, Record, State, read_json, record_of, record_text
from fl_core.federation.spare_file import SpareFile
from fl_core.tensors import Array, Tensors
from fl_core.tensors.checksum import Checksum, file_checksum
from fl_core.tensors.codec import decode
from fl_core.tensors.spooled import write_stream
from fl_core.transport.messages import BlobRef, Delivery, Work

SITE_SCHEMA: Final = "site/1"
LOCAL_SCHEMA: Final = "site-local/1"
SPARE: Final = ".spare"
MOST: Final = 8
"""Results that lie here at most; an aggregator that releases nothing does not fill the site's disk."""


class KeptError(FederationError):
    """What a site must have kept is damaged, so that it cannot go on with the right state."""


class InUse(InputError):
    """Another process works for the site."""


@dataclass(frozen=True)
class Result:
    """A work that was done here.

    Attributes:
        name: Of the work, see `name_of`.
        delivery: What is handed in.
        update: File of what was trained; none where nothing was.
        local_state: File of the site's state, where it leaves the site with the results.
    """

    name: str
    delivery: Delivery
    update: Path | None = None
    local_state: Path | None = None


class Kept:
    """What one site keeps; one process at a time, see `open_kept`.

    Args:
        folder: Of its own.
        plan: Hash of the plan; what was kept under another one is removed.
        disk: Writes what must outlive a power loss.
    """

    def __init__(self, folder: Path, plan: str, disk: Disk) -> None:
        self._folder = folder
        self._plan = plan
        self._disk = disk
        self.farewell: str | None = None
        self.handed_in_all = False
        self._spare = SpareFile(folder / SPARE)
        self._site_lock = threading.Lock()  # the farewell is noted in another thread
        self._read_site()
        self._records = self._read_records()
        self._states = self._read_states()
        for torn in folder.glob(".*.tmp"):  # only now: later another thread may be writing one
            torn.unlink(missing_ok=True)
        self._sweep()

    def note_farewell(self, text: str) -> None:
        """Note for good that the federation is over."""
        self.farewell = text
        self._write_site()

    def note_all_handed_in(self) -> None:
        """Note for good that the aggregator has all that the plan asks of this site."""
        if not self.handed_in_all:
            self.handed_in_all = True
            self._write_site()

    def result(self, work: Work) -> Result | None:
        """Return the result of exactly this work (same model, settings, tasks), if its files are whole."""
        record = self._records.get(name_of(work))
        if record is None:
            return None
        result = self._result(record)
        files = ((result.update, record.delivery.update), (result.local_state, record.delivery.local_state))
        if all(path is None or blob is None or _is_whole(path, blob) for path, blob in files):
            return result
        self._forget(record.name)
        return None

    def keep(
        self,
        work: Work,
        reports: tuple[TaskReport, ...],
        *,
        update: Tensors | None = None,
        metadata: Mapping[str, Any] | None = None,
        local_state: Tensors | None = None,
        shares_local_state: bool = False,
        holds_local_state: bool = True,
        wall_s: float = 0.0,
    ) -> Result:
        """Write down a finished work.

        Args:
            work: The work.
            reports: One a task, as they leave the site.
            update: What was trained, as it leaves the site; None where nothing was.
            metadata: What stands beside the update in its file.
            local_state: What the site keeps after it; None where nothing changed.
            shares_local_state: Whether it leaves the site too.
            holds_local_state: Whether it is the site's own for its next work, not held by the aggregator.
            wall_s: Seconds that the work took.

        Raises:
            TensorError: An array is of a dtype that files do not hold.
            OSError: The disk refused.
        """
        name = name_of(work)
        blob, state = None, None
        if update is not None:
            with self._spare.written_over(self._file("update", name)) as handle:
                written = write_stream(handle, update, metadata)
            blob = BlobRef(written.checksum, written.size)
        # An aggregator that holds the state is told of an empty one too: none would mean that it stays here.
        if local_state is not None and (local_state or self._states or not holds_local_state):
            path = self._file("state", name)
            state = BlobRef(self._disk.write_tensors(path, local_state), path.stat().st_size)
        shared = state if shares_local_state and (local_state or not holds_local_state) else None
        delivery = Delivery(work.key, work.round, reports, blob, shared, wall_s)
        record = Record(name, delivery, state if holds_local_state else None)
        self._write_record(record)
        self._keep_few()
        return self._result(record)

    def undecided(self, round: int) -> tuple[Result, ...]:
        """Return results up to a round of which it is not known whether the aggregator took them."""
        return tuple(
            self._result(record)
            for record in self._by_round()
            if record.delivery.round <= round and not (record.accepted or self._counts(record))
        )

    def is_accepted(self, result: Result) -> bool:
        """Return whether the aggregator took a result."""
        record = self._records.get(result.name)
        return record is not None and record.accepted

    def accepted(self, result: Result) -> None:
        """Note that the aggregator took a result: from now on the state after it counts.

        Raises:
            OSError: The disk refused.
        """
        record = self._records.get(result.name)
        if record is None or record.accepted:
            return
        if record.state is not None:
            self._states[record.delivery.round] = State(record.name, record.state)
            self._write_states()
        self._write_record(replace(record, accepted=True))

    def refused(self, result: Result) -> None:
        """Throw away a result that the aggregator does not want, and the state after it."""
        self._forget(result.name)

    def local_state(self, round: int) -> dict[str, Array]:
        """Return the state that counts for a work of a round: that after the last round before it.

        Raises:
            KeptError: It is damaged.
        """
        earlier = [number for number in self._states if number < round]
        if not earlier:
            return {}
        state = self._states[max(earlier)]
        path = self._file("state", state.work)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise _damaged(path, error.strerror or str(error)) from error
        if len(content) != state.blob.size or Checksum(content).text != state.blob.checksum:
            raise _damaged(path, "it is not what was written")
        return decode(content)[0]

    def release(self, round: int) -> None:
        """Forget what no later round needs: the aggregator has all results up to this round for good.

        Ask for `undecided` results first: those are forgotten as refused.
        """
        for record in self._by_round():
            if record.delivery.round <= round:
                self._forget(record.name)
        past = sorted(number for number in self._states if number <= round)
        if past[:-1]:
            self._states = {n: s for n, s in self._states.items() if n not in past[:-1]}
            self._write_states()
        self._sweep()

    def _counts(self, record: Record) -> bool:
        state = self._states.get(record.delivery.round)
        return state is not None and state.work == record.name

    def _keep_few(self) -> None:
        for record in self._by_round()[:-MOST]:
            self._forget(record.name)

    def _by_round(self) -> list[Record]:
        return sorted(self._records.values(), key=lambda record: (record.delivery.round, record.name))

    def _result(self, record: Record) -> Result:
        update = self._file("update", record.name) if record.delivery.update else None
        state = self._file("state", record.name) if record.delivery.local_state else None
        return Result(record.name, record.delivery, update, state)

    def _file(self, kind: str, name: str) -> Path:
        return self._folder / f"{kind}-{name}.safetensors"

    def _record_file(self, name: str) -> Path:
        return self._folder / f"result-{name}.json"

    def _forget(self, name: str) -> None:
        self._records.pop(name, None)
        self._record_file(name).unlink(missing_ok=True)
        self._spare.give_back(self._file("update", name))
        if name not in {state.work for state in self._states.values()}:
            self._file("state", name).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what a process left that died between two writes, and states that no longer count."""
        states = {state.work for state in self._states.values()}
        wanted = {self._record_file(name).name for name in self._records}
        wanted |= {self._file("update", name).name for name in self._records}
        wanted |= {self._file("state", name).name for name in {*self._records, *states}}
        for path in self._own_files():
            if path.name not in wanted:
                path.unlink(missing_ok=True)

    def _own_files(self) -> Iterator[Path]:
        for pattern in ("result-*.json", "update-*.safetensors", "state-*.safetensors"):
            yield from self._folder.glob(pattern)

    def _write_record(self, record: Record) -> None:
        path = self._record_file(record.name)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(record_text(record), encoding="utf-8")
        temporary.replace(path)
        self._records[record.name] = record

    def _read_records(self) -> dict[str, Record]:
        records = {}
        for path in sorted(self._folder.glob("result-*.json")):
            name = path.stem.removeprefix("result-")
            try:
                records[name] = record_of(name, path)
            except BadRecord:
                path.unlink(missing_ok=True)  # torn by a power loss: the work is done again
        return records

    def _write_states(self) -> None:
        rounds = {str(number): state.plain() for number, state in sorted(self._states.items())}
        text = json.dumps({"schema": LOCAL_SCHEMA, "rounds": rounds}, indent=1)
        self._disk.write(self._folder / "local.json", text.encode())

    def _read_states(self) -> dict[int, State]:
        path = self._folder / "local.json"
        if not path.exists():
            return {}
        try:
            content = read_json(path, LOCAL_SCHEMA)
            return {int(number): State.of(plain) for number, plain in content["rounds"].items()}
        except (BadRecord, KeyError, ValueError, AttributeError) as error:
            raise _damaged(path, str(error)) from error

    def _write_site(self) -> None:
        with self._site_lock:
            content = {
                "schema": SITE_SCHEMA,
                "plan": self._plan,
                "farewell": self.farewell,
                "handed_in_all": self.handed_in_all,
            }
            self._disk.write(self._folder / "site.json", json.dumps(content, indent=1).encode())

    def _read_site(self) -> None:
        path = self._folder / "site.json"
        if path.exists():
            try:
                content = read_json(path, SITE_SCHEMA)
            except BadRecord as error:
                raise _damaged(path, str(error)) from error
            if content.get("plan") == self._plan:
                self.farewell = content.get("farewell")
                self.handed_in_all = content.get("handed_in_all") is True
                return
            for file in [*self._own_files(), self._folder / "local.json"]:
                file.unlink(missing_ok=True)
        self._write_site()


@contextmanager
def open_kept(folder: Path, plan: str, disk: Disk | None = None) -> Iterator[Kept]:
    """Open a site's folder and keep other processes out of it.

    Args:
        folder: Made where it is missing, for this user alone.
        plan: Hash of the plan.
        disk: Writes what must outlive a power loss.

    Raises:
        InUse: Another process has it open.
        KeptError: It is damaged.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as base, open_kept(Path(base) / "state", "sha256:0") as kept:
        ...     kept.note_farewell("the federation is over")
        ...     kept.farewell, kept.undecided(0), kept.local_state(0)
        ('the federation is over', (), {})
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            raise InUse(
                f"{folder}: another process (id {holder}) works for this site; wait for it or end it"
            ) from error
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield Kept(folder, plan, disk or Disk())
        SpareFile(folder / SPARE).remove()
    finally:
        os.close(handle)


def name_of(work: Work) -> str:
    """Return the name under which a work's result is kept: a digest of everything that it asks for."""
    asked = [
        work.key,
        work.round,
        list(work.tasks),
        {task: dict(values) for task, values in work.settings.items()},
        list(work.local_names),
        *(blob.checksum if blob else None for blob in (work.model, work.extras, work.local_state)),
    ]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]


def _is_whole(path: Path, blob: BlobRef) -> bool:
    try:
        return path.stat().st_size == blob.size and file_checksum(path) == blob.checksum
    except OSError:
        return False


def _damaged(path: Path, why: str) -> KeptError:
    return KeptError(
        f"{path}: damaged ({why}), so this site cannot go on from its last round; restore {path.parent} from "
        "a copy, or remove it to go on with a fresh state"
    )
