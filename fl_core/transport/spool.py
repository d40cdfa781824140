"""Where uploads lie until their round is closed: files, written part by part, never by two calls at once."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import xxhash

from fl_core.transport.messages import BlobRef
from fl_core.transport.parts import Part
from fl_core.transport.wire import MessageError, TransferError

_READ: Final = 1 << 20


@dataclass
class _Upload:
    handle: int
    written: int
    state: Any


FREE: Final = ".free"
"""Folder of files that nobody needs any more. The next uploads are written over them, since memory for a new
file's pages is dear: where the kernel has to fetch it from a host, a third of what an upload costs."""


def give_back(file: Path, spool: Path) -> None:
    """Remove a file that an upload was written to, and leave what it occupied to later ones.

    Args:
        file: Under any name on the spool's file system; no other name of it may be in use.
        spool: The spool's folder.

    Raises:
        OSError: The disk refused.
    """
    if file.stat().st_nlink > 1:
        file.unlink()
        return
    (spool / FREE).mkdir(exist_ok=True)
    file.replace(spool / FREE / f"{file.stat().st_ino}")


class Spool:
    """A folder of uploads, by site and checksum.

    Nothing here is needed after a crash: what is missing or torn, the site sends again. So nothing is
    synced to disk.

    Args:
        folder: Of its own; made where it is missing.
        most: How many blobs of one site may lie here.
    """

    def __init__(self, folder: Path, most: int = 4) -> None:
        self._folder = folder
        self._most = most
        self._lock = threading.Lock()
        self._uploads: dict[tuple[str, str], _Upload] = {}
        self._busy: set[tuple[str, str]] = set()
        self._whole: set[tuple[str, str]] = set()
        folder.mkdir(parents=True, exist_ok=True)
        for torn in folder.glob("*/*.part"):  # what was hashed so far is forgotten, so they begin anew
            torn.unlink(missing_ok=True)

    def how_far(self, site: str, blob: BlobRef) -> int:
        """Return how many bytes of a blob are here."""
        if self._is_whole(site, blob):
            return blob.size
        with self._lock:
            upload = self._uploads.get((site, blob.checksum))
            return upload.written if upload else 0

    def receive(self, site: str, blob: BlobRef, parts: Iterator[Part]) -> int:
        """Take parts in order; return how many bytes of the blob are here then.

        Raises:
            TransferError: A part is damaged or out of order, another call uploads the same blob, or the
                blob is not what its checksum says (it begins anew then).
            MessageError: Parts go beyond the blob's size, or too many blobs lie here.
            OSError: The disk refused.
        """
        if self._is_whole(site, blob):
            return blob.size
        with self._alone(site, blob) as upload:
            closed = False
            for part in parts:
                if closed:
                    raise MessageError(f"parts beyond the {blob.size} bytes of the blob")
                self._append(upload, part, blob)
                if upload.written == blob.size:
                    # At once: a call that breaks off after its last part must not leave a blob that is
                    # all there and never whole.
                    self._close(site, blob, upload)
                    closed = True
            return upload.written

    def take(self, site: str, blob: BlobRef) -> Path:
        """Return the file of a blob that arrived whole.

        Raises:
            MessageError: It did not.
        """
        path = self._complete(site, blob)
        if not self._is_whole(site, blob):
            here = self.how_far(site, blob)
            raise MessageError(f"blob {blob.checksum} was not uploaded whole: {here} of {blob.size} bytes")
        return path

    def intact(self, site: str, blob: BlobRef) -> Path | None:
        """Return the file of a blob that outlived a restart, if its bytes are still what they were."""
        path = self._complete(site, blob)
        if not path.is_file() or path.stat().st_size != blob.size:
            return None
        state = xxhash.xxh3_128()
        with path.open("rb") as file:
            while content := file.read(_READ):
                state.update(content)
        return path if f"xxh3:{state.hexdigest()}" == blob.checksum else None

    def clear(self, site: str) -> None:
        """Forget all blobs of a site that no call is writing."""
        with self._lock:
            for key in [key for key in self._uploads if key[0] == site and key not in self._busy]:
                os.close(self._uploads.pop(key).handle)
            self._whole = {key for key in self._whole if key[0] != site}
            if not any(key[0] == site for key in self._busy):
                shutil.rmtree(self._folder / site, ignore_errors=True)

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for upload in self._uploads.values():
                os.close(upload.handle)
            self._uploads = {}
        shutil.rmtree(self._folder / FREE, ignore_errors=True)

    def _is_whole(self, site: str, blob: BlobRef) -> bool:
        """Whether a blob is here; one from before a restart is read, since nothing was synced to disk."""
        path, key = self._complete(site, blob), (site, blob.checksum)
        if not path.is_file():
            return False
        if key in self._whole:
            return path.stat().st_size == blob.size
        if self.intact(site, blob) is None:
            path.unlink(missing_ok=True)
            return False
        with self._lock:
            self._whole.add(key)
        return True

    def _complete(self, site: str, blob: BlobRef) -> Path:
        return self._folder / site / f"{blob.checksum.removeprefix('xxh3:')}.safetensors"

    @contextmanager
    def _alone(self, site: str, blob: BlobRef) -> Iterator[_Upload]:
        key = (site, blob.checksum)
        with self._lock:
            if key in self._busy:
                raise TransferError(f"blob {blob.checksum} is being uploaded by another call")
            upload = self._uploads.get(key) or self._begin(site, blob)
            self._uploads[key] = upload
            self._busy.add(key)
        try:
            yield upload
        except OSError:
            # What is on the disk is no longer what was counted; the blob begins anew.
            with self._lock:
                if self._uploads.pop(key, None) is not None:  # else its file was closed already
                    os.close(upload.handle)
            self._complete(site, blob).with_suffix(".part").unlink(missing_ok=True)
            raise
        finally:
            with self._lock:
                self._busy.discard(key)

    def _begin(self, site: str, blob: BlobRef) -> _Upload:
        folder = self._folder / site
        folder.mkdir(exist_ok=True)
        if len(list(folder.iterdir())) >= self._most:
            raise MessageError(f"{self._most} blobs of {site} lie here already; deliver them first")
        path = self._complete(site, blob).with_suffix(".part")
        used = next((self._folder / FREE).glob("*"), None)
        if used is not None:
            used.replace(path)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.ftruncate(handle, min(os.fstat(handle).st_size, blob.size))
        return _Upload(handle, 0, xxhash.xxh3_128())

    def _append(self, upload: _Upload, part: Part, blob: BlobRef) -> None:
        if part.offset != upload.written:
            raise TransferError(f"a part at byte {part.offset} where byte {upload.written} is next")
        if part.offset + len(part.data) > blob.size:
            raise MessageError(f"parts beyond the {blob.size} bytes of the blob")
        part.check()
        upload.state.update(part.data)
        view = memoryview(part.data)
        while view:
            done = os.pwrite(upload.handle, view, upload.written)
            upload.written += done
            view = view[done:]

    def _close(self, site: str, blob: BlobRef, upload: _Upload) -> None:
        path = self._complete(site, blob)
        found = f"xxh3:{upload.state.hexdigest()}"
        with self._lock:
            self._uploads.pop((site, blob.checksum), None)
            os.close(upload.handle)
        if found != blob.checksum:
            path.with_suffix(".part").unlink(missing_ok=True)
            raise TransferError(f"the blob that arrived is {found}, not {blob.checksum}; send it again")
        path.with_suffix(".part").replace(path)
        with self._lock:
            self._whole.add((site, blob.checksum))
