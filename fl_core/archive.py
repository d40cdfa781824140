"""Zip archives from strangers, and archives whose bytes depend on nothing but their content.

Reading trusts nothing that an archive says about itself: names are checked before anything is
unpacked, and sizes are counted while decompressing.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fl_core.errors import InputError

_BLOCK = 1 << 16
_EPOCH = (1980, 1, 1, 0, 0, 0)
_ENCRYPTED = 0x1
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError)
"""What `zipfile` raises on damaged archives; an offset before the file's start is an OSError."""

_DRIVE = re.compile(r"[A-Za-z]:")


class ArchiveError(InputError):
    """An archive that is broken, breaks a limit, or would write where it may not."""


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most.

    Attributes:
        entries: Number of entries, folders among them.
        file_bytes: Size of one unpacked file.
        total_bytes: Size of all unpacked files together.
        archive_bytes: Size of the archive itself.
    """

    entries: int = 10_000
    file_bytes: int = 8 << 30
    total_bytes: int = 16 << 30
    archive_bytes: int = 16 << 30


def read_zip(path: Path, limits: Limits) -> dict[str, bytes]:
    """Return the files of an archive by name; folders are left out.

    Raises:
        ArchiveError: No zip archive, a name that leads out of it, a link or device, a name that stands
            twice, a limit exceeded: the message names the entry.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_zip(Path(folder) / "a.zip", {"b/c.txt": b"hello"})
        ...     read_zip(Path(folder) / "a.zip", Limits(total_bytes=100))
        {'b/c.txt': b'hello'}
    """
    with _opened(path, limits) as archive:
        budget = _Budget(path, limits)
        return {
            entry.filename: b"".join(_unpacked(archive, entry, budget))
            for entry in _checked(path, archive, limits)
        }


def extract_zip(path: Path, target: Path, limits: Limits) -> list[str]:
    """Unpack an archive into a new or empty folder, whole or not at all; return its sorted names.

    Files get the rights that a new file gets, whatever the archive says.

    Raises:
        ArchiveError: As for `read_zip`, or `target` is there and not an empty folder.
    """
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise ArchiveError(f"{target}: is there and not an empty folder; name a new one")
    with _opened(path, limits) as archive:
        entries = _checked(path, archive, limits)
        budget = _Budget(path, limits)
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        staging.mkdir()
        try:
            for entry in entries:
                file = staging / entry.filename
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("xb") as out:
                    for block in _unpacked(archive, entry, budget):
                        out.write(block)
            staging.replace(target)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    return sorted(entry.filename for entry in entries)


def write_zip(path: Path, files: Mapping[str, bytes | Path]) -> None:
    """Write an archive, replacing `path` in one step; equal content gives equal bytes.

    Names are sorted, dates and rights fixed.

    Args:
        path: The archive.
        files: Content by name, with ``/`` between folders; a path is read block by block.

    Raises:
        ArchiveError: A name that `read_zip` would refuse.
    """
    _check_names(path, list(files))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with (
            temporary.open("xb") as out,
            zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
        ):
            for name in sorted(files):
                _add(archive, name, files[name])
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _add(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # as on Unix, wherever this runs
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    if isinstance(content, bytes):
        archive.writestr(entry, content)
        return
    with content.open("rb") as source, archive.open(entry, "w", force_zip64=True) as out:
        shutil.copyfileobj(source, out, _BLOCK)


class _Budget:
    """The bytes that an archive may still unpack to."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path
        self._limits = limits
        self._left = limits.total_bytes

    def spend(self, name: str, size: int, of_file: int) -> None:
        self._left -= size
        if of_file > self._limits.file_bytes:
            raise ArchiveError(f"{self.path}: {name} unpacks to more than {self._limits.file_bytes} bytes")
        if self._left < 0:
            raise ArchiveError(f"{self.path}: unpacks to more than {self._limits.total_bytes} bytes")


def _opened(path: Path, limits: Limits) -> zipfile.ZipFile:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise ArchiveError(f"{path}: is not a file")
        if size > limits.archive_bytes:
            raise ArchiveError(f"{path}: has {size} bytes, at most {limits.archive_bytes} are read")
        return zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise ArchiveError(f"{path}: no such file") from error
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
        raise ArchiveError(f"{path}: is not a readable zip archive ({error})") from error
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be read ({error.strerror})") from error


def _checked(path: Path, archive: zipfile.ZipFile, limits: Limits) -> list[zipfile.ZipInfo]:
    """Return the entries that are files, after a look at all of them."""
    entries = archive.infolist()
    if len(entries) > limits.entries:
        raise ArchiveError(f"{path}: has {len(entries)} entries, at most {limits.entries} are read")
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16) if entry.create_system == 3 else 0
        shown = _shown(entry.filename)
        if kind not in (0, stat.S_IFDIR if _is_folder(entry) else stat.S_IFREG):
            raise ArchiveError(f"{path}: {shown} is a link or no regular file; pack the file itself")
        if entry.flag_bits & _ENCRYPTED:
            raise ArchiveError(f"{path}: {shown} is encrypted; pack it without a password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveError(f"{path}: {shown} is packed by another method than deflate")
        if entry.filename != entry.orig_filename:
            raise ArchiveError(f"{path}: {_shown(entry.orig_filename)}: a name with a NUL or backslash")
    _check_names(path, [entry.filename.removesuffix("/") for entry in entries if _is_folder(entry)])
    files = [entry for entry in entries if not _is_folder(entry)]
    _check_names(path, [entry.filename for entry in files])
    return files


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.endswith("/")


def _check_names(path: Path, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        reason = _fault_of(name)
        if reason:
            raise ArchiveError(f"{path}: {_shown(name)}: {reason}")
        # Two names that some file systems take for one would overwrite each other there.
        key = unicodedata.normalize("NFC", name).casefold()
        if key in seen:
            raise ArchiveError(f"{path}: {_shown(name)} stands in it twice")
        seen.add(key)
    for key in seen:
        if any(parent in seen for parent in _parents(key)):
            raise ArchiveError(f"{path}: {_shown(key)}: the folder it lies in is a file too")


def _fault_of(name: str) -> str | None:
    parts = name.split("/")
    if name.startswith("/") or _DRIVE.match(name):
        return "an absolute path"
    if ".." in parts:
        return "a path that leads out of the archive"
    if "" in parts or "." in parts:
        return "a path with an empty part"
    if "\\" in name or not name.isprintable() or len(name.encode("utf-8", "replace")) > 1000:
        return "a name with a backslash or control character, or too long"
    return None


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: _Budget) -> Iterator[bytes]:
    size = 0
    try:
        with archive.open(entry) as file:
            while block := file.read(_BLOCK):
                size += len(block)
                budget.spend(entry.filename, len(block), size)
                yield block
    except _DAMAGE as error:
        raise ArchiveError(f"{budget.path}: {_shown(entry.filename)} is damaged ({error})") from error


def _shown(name: str) -> str:
    return repr(name[:100])
