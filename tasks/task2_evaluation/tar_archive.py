"""Tar archives from strangers: read as a stream, names and kinds checked, sizes counted while unpacking."""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
import stat
import tarfile
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fl_core.archive import ArchiveError, Limits

_BLOCK = 1 << 16
_PADDING = 1 << 20
_MOST_NOTES = 1 << 16
_NOTES = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_DAMAGE = (tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, ValueError)


class _Entry(tarfile.TarInfo):
    """An entry whose notes (long names, dates) fit into memory; `tarfile` reads them whole."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _NOTES and self.size > _MOST_NOTES:
            raise ArchiveError(f"{archive.name!s}: an entry with notes of {self.size} bytes; pack it again")
        entry: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return entry


class _Counted:
    """An unpacked stream that ends with an error once it has given more than it may."""

    def __init__(self, stream: gzip.GzipFile, most: int, path: Path) -> None:
        self._stream, self._left, self._most, self._path = stream, most, most, path

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(min(size, _BLOCK) if size >= 0 else _BLOCK)
        self._left -= len(content)
        if self._left < 0:
            raise ArchiveError(f"{self._path}: unpacks to more than {self._most} bytes")
        return content


def extract_tar_gz(path: Path, target: Path, limits: Limits) -> list[str]:
    """Unpack a ``.tar.gz`` into a new folder, whole or not at all; return its sorted file names.

    Only regular files and folders are taken, of their modes only whether the owner may execute them.

    Args:
        path: The archive.
        target: A folder that is not there yet.
        limits: What it may hold at most.

    Raises:
        ArchiveError: No such archive, a name that leads out of it, a link or device, a name that stands
            twice, a limit exceeded; the message names the entry.
    """
    if target.exists() or target.is_symlink():
        raise ArchiveError(f"{target}: is there already; name a new folder")
    _check_size(path, limits)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    staging.mkdir()
    try:
        with _opened(path, limits) as archive:
            names = _unpack(path, archive, staging, limits)
        staging.replace(target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return sorted(names)


def _check_size(path: Path, limits: Limits) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be read ({error.strerror})") from error
    if size > limits.archive_bytes:
        raise ArchiveError(f"{path}: has {size} bytes, at most {limits.archive_bytes} are read")


@contextmanager
def _opened(path: Path, limits: Limits) -> Iterator[tarfile.TarFile]:
    # Every entry has a header of 512 bytes and is padded to as much again.
    most = limits.total_bytes + 2 * 512 * (limits.entries + 1) + _PADDING
    try:
        with (
            gzip.open(path) as stream,
            tarfile.open(
                fileobj=_Counted(stream, most, path),  # type: ignore[call-overload]
                mode="r|",
                name=str(path),
                tarinfo=_Entry,
            ) as archive,
        ):
            yield archive
    except ArchiveError:
        raise
    except _DAMAGE as error:
        raise ArchiveError(f"{path}: is not a readable .tar.gz ({error})") from error


def _unpack(path: Path, archive: tarfile.TarFile, staging: Path, limits: Limits) -> list[str]:
    names: list[str] = []
    seen: set[str] = set()
    total = 0
    for count, entry in enumerate(archive, start=1):
        shown = repr(entry.name[:100])
        if count > limits.entries:
            raise ArchiveError(f"{path}: has more than {limits.entries} entries")
        if not (entry.isreg() or entry.isdir()) or entry.issparse():
            raise ArchiveError(f"{path}: {shown} is a link or no regular file; pack the file itself")
        # `tar -C folder .` begins every name so.
        name = entry.name.removeprefix("./").rstrip("/") if entry.name != "." else ""
        if not name and entry.isdir():
            continue
        reason = _fault_of(name)
        if reason:
            raise ArchiveError(f"{path}: {shown}: {reason}")
        if entry.isdir():
            continue
        total += entry.size
        if entry.size > limits.file_bytes:
            raise ArchiveError(f"{path}: {shown} unpacks to more than {limits.file_bytes} bytes")
        if total > limits.total_bytes:
            raise ArchiveError(f"{path}: unpacks to more than {limits.total_bytes} bytes")
        # Two names that some file systems take for one would overwrite each other there.
        key = unicodedata.normalize("NFC", name).casefold()
        if key in seen:
            raise ArchiveError(f"{path}: {shown} stands in it twice")
        seen.add(key)
        _write(archive, entry, staging / name, path, shown)
        names.append(name)
    return names


def _write(archive: tarfile.TarFile, entry: tarfile.TarInfo, file: Path, path: Path, shown: str) -> None:
    source = archive.extractfile(entry)
    if source is None:  # only for what is no file
        raise ArchiveError(f"{path}: {shown} has no content")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as out:
            shutil.copyfileobj(source, out, _BLOCK)
    except (FileExistsError, NotADirectoryError) as error:
        raise ArchiveError(f"{path}: {shown}: a folder and a file have the same name") from error
    if entry.mode & stat.S_IXUSR:
        file.chmod(file.stat().st_mode | stat.S_IXUSR)


def _fault_of(name: str) -> str | None:
    parts = name.split("/")
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "an absolute path"
    if ".." in parts:
        return "a path that leads out of the archive"
    if "" in parts or "." in parts:
        return "a path with an empty part"
    if "\\" in name or not name.isprintable() or len(os.fsencode(name)) > 1000:
        return "a name with a backslash or control character, or too long"
    return None
