"""The case cache: each case read and preprocessed once, then memory-mapped for ever after.

An entry is a folder named by the content of the case's files and by the transform::

    entries/<sha256>/image.npy   float32 (4, z, y, x), what the transform made
    entries/<sha256>/labels.npy  uint8 (z, y, x) on the full grid, where the case has labels
    entries/<sha256>/meta.json   schema, case, full_shape, offset, spacing, and the size of each file
    digests.json                 the digests of files already hashed

An entry is written beside its place, flushed to the disk and renamed, so that it is there as a whole
or not at all; of two processes that prepare the same case the second to finish uses the first's.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from partitions.case import MODALITIES, Case
from partitions.digests import DigestIndex, stamp
from partitions.errors import DataError
from partitions.reader import CaseVolumes, read_case

SCHEMA = "case-cache/1"
_STALE_S = 24 * 3600.0
_TEMPORARY = ".tmp-"

Progress = Callable[[int, int], None]
Triple = tuple[int, int, int]


class CacheError(DataError):
    """The cache could not be written (a full disk, no rights); the command line exits with 1."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True)
class Prepared:
    """What a transform makes of a case.

    Attributes:
        image: float32 (4, z, y, x), cropped and normalised, modalities in the order t1, t1ce, t2, flair.
        offset: Corner of the crop in the full grid, (z, y, x) in voxels.
    """

    image: npt.NDArray[np.float32]
    offset: Triple


Transform = Callable[[CaseVolumes], Prepared]


class CaseCache:
    """Preprocessed cases in a folder that several processes may share.

    Args:
        root: The cache's folder; made when needed.
        now: The wall clock in seconds, by which stale temporaries are told.
    """

    def __init__(self, root: Path, now: Callable[[], float] = time.time) -> None:
        self._entries = root / "entries"
        self._digests = DigestIndex(root / "digests.json", now)
        self._now = now

    def prepare(
        self,
        cases: Sequence[Case],
        transform: Transform,
        transform_id: str,
        workers: int = 1,
        progress: Progress | None = None,
    ) -> dict[str, Path]:
        """Return the entry of every case, making those that are not there.

        Args:
            cases: Any order; the answer keeps it.
            transform: Crops and normalises; must be a pure function of the volumes.
            transform_id: Names the transform, its version and settings: another id, another entry.
            workers: Threads; reading and numpy's loops run outside the interpreter lock.
            progress: Called with (cases done, cases in all), from this thread.

        Raises:
            DataError: A case cannot be read, or one of its files changed meanwhile.
            CacheError: The cache cannot be written.
        """
        try:
            self._entries.mkdir(parents=True, exist_ok=True)
            self._remove_stale()
            entries: dict[str, Path] = {}
            with ThreadPoolExecutor(max(1, workers)) as pool:
                jobs = [pool.submit(self._prepare_one, case, transform, transform_id) for case in cases]
                try:
                    for case, job in zip(cases, jobs, strict=True):
                        entries[case.id] = job.result()
                        if progress is not None:
                            progress(len(entries), len(cases))
                finally:
                    pool.shutdown(wait=True, cancel_futures=True)
            self._digests.save()
        except OSError as error:
            raise CacheError(
                f"{self._entries}: the cache cannot be written ({error.strerror or error}); "
                "free space there or choose another cache folder"
            ) from error
        return entries

    def _prepare_one(self, case: Case, transform: Transform, transform_id: str) -> Path:
        stamps = {name: stamp(path) for name, path in case.files.items()}
        target = self._entries / entry_key(
            case, {name: self._digests.digest(found) for name, found in stamps.items()}, transform_id
        )
        if is_whole(target):
            return target
        volumes = read_case(case)
        try:
            prepared = transform(volumes)
        except DataError as error:
            # The transform knows arrays, not files: it cannot say which case it was.
            raise DataError(f"{case.folder}: {error}") from error
        _require_valid(case, prepared, volumes, transform_id)
        for before in stamps.values():
            if stamp(before.path) != before:
                raise DataError(f"{before.path}: changed while it was read; run again when it is complete")
        self._put(target, case, prepared, volumes)
        return target

    def _put(self, target: Path, case: Case, prepared: Prepared, volumes: CaseVolumes) -> None:
        temporary = self._entries / f"{_TEMPORARY}{uuid.uuid4().hex}"
        temporary.mkdir()
        try:
            arrays: dict[str, npt.NDArray[Any]] = {"image.npy": prepared.image}
            if volumes.labels is not None:
                arrays["labels.npy"] = volumes.labels
            for name, array in arrays.items():
                with (temporary / name).open("wb") as stream:
                    np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
                    _flush(stream.fileno())
            meta = {
                "schema": SCHEMA,
                "case": case.id,
                "full_shape": [int(n) for n in volumes.images[MODALITIES[0]].shape],
                "offset": [int(n) for n in prepared.offset],
                "spacing": [float(mm) for mm in volumes.spacing],
                "bytes": {name: (temporary / name).stat().st_size for name in arrays},
            }
            with (temporary / "meta.json").open("w", encoding="utf-8") as text:
                json.dump(meta, text, indent=1, sort_keys=True)
                text.flush()
                _flush(text.fileno())
            _flush_folder(temporary)
            self._publish(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _publish(self, temporary: Path, target: Path) -> None:
        if target.exists() and not is_whole(target):
            # A torn entry (by a failing disk, by hand) is moved away in one step, so that no other
            # process can see it half-removed; losing that race to another process is fine.
            discarded = self._entries / f"{_TEMPORARY}{uuid.uuid4().hex}"
            try:
                target.rename(discarded)
            except FileNotFoundError:
                pass
            else:
                shutil.rmtree(discarded, ignore_errors=True)
        try:
            temporary.rename(target)
        except OSError:
            # Another process was first: its entry has the same key, hence the same content.
            if not is_whole(target):
                raise
        else:
            _flush_folder(self._entries)

    def _remove_stale(self) -> None:
        for left in self._entries.glob(f"{_TEMPORARY}*"):
            try:
                age = self._now() - left.stat().st_mtime
            except FileNotFoundError:
                continue
            if age > _STALE_S:
                shutil.rmtree(left, ignore_errors=True)


def entry_key(case: Case, digests: dict[str, str], transform_id: str) -> str:
    """Return the name of a case's entry: SHA-256 over id, naming, content, transform and format."""
    content = {
        "schema": SCHEMA,
        "case": case.id,
        "naming": case.naming,
        "files": digests,
        "transform": transform_id,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def is_whole(entry: Path) -> bool:
    """Tell whether a folder is an entry with every file that it names, in full length."""
    try:
        meta = json.loads((entry / "meta.json").read_text(encoding="utf-8"))
        sizes = meta["bytes"] if meta["schema"] == SCHEMA else {}
        return bool(sizes) and all((entry / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _require_valid(case: Case, prepared: Prepared, volumes: CaseVolumes, transform_id: str) -> None:
    full = volumes.images[MODALITIES[0]].shape
    image, offset = prepared.image, prepared.offset
    fits = (
        image.dtype == np.float32
        and image.ndim == 4
        and image.shape[0] == len(MODALITIES)
        and image.size > 0
        and all(
            start >= 0 and start + n <= whole
            for start, n, whole in zip(offset, image.shape[1:], full, strict=True)
        )
    )
    if not fits:
        raise DataError(
            f"case {case.id!r}: the transform {transform_id!r} gave {image.dtype} {image.shape} at {offset} "
            f"for a grid of {full}; it must give float32 (4, z, y, x) inside the grid"
        )
    if not np.isfinite(image).all():
        raise DataError(f"case {case.id!r}: the transform {transform_id!r} gave NaN or infinite values")


def _flush(handle: int) -> None:
    os.fsync(handle)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
