"""A model package: read from a folder or an archive, checked without running or parsing its model."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from fl_core.archive import ArchiveError, Limits, extract_zip
from tasks.task2_evaluation.errors import PackageError
from tasks.task2_evaluation.manifest import FILE_NAMES, MOST_BYTES, Manifest, parse_manifest
from tasks.task2_evaluation.package_digest import PackageFile, digest_of
from tasks.task2_evaluation.pickles import looks_pickled
from tasks.task2_evaluation.tar_archive import extract_tar_gz

GIB = 2**30
PACKAGE_LIMITS = Limits(entries=2000, file_bytes=4 * GIB, total_bytes=8 * GIB, archive_bytes=8 * GIB)
"""What a package may hold, packed and unpacked."""

_BLOCK = 1 << 20
_LEFT_BEHIND = frozenset({"__pycache__", ".git", ".DS_Store", "__MACOSX"})


@dataclass(frozen=True)
class Package:
    """A package whose files have been looked at.

    Attributes:
        folder: Where its files are.
        manifest: What it says of itself.
        files: All of them, sorted by name.
        digest: ``sha256:...`` over them.
    """

    folder: Path
    manifest: Manifest
    files: tuple[PackageFile, ...]
    digest: str


@contextmanager
def opened_package(path: Path, *, limits: Limits = PACKAGE_LIMITS) -> Iterator[Package]:
    """Give a package from a folder, a ``.zip`` or a ``.tar.gz``, as a copy of its own that then goes.

    So the digest is that of the files which run, whatever becomes of the original meanwhile. Python's
    caches and version control's folders are left behind.

    Raises:
        PackageError: See `read_package`.
        ArchiveError: See `unpack_package`.
    """
    with TemporaryDirectory(prefix="package-") as folder:
        target = Path(folder) / "package"
        if path.is_dir():
            _copy(path, target, limits)
        else:
            target = unpack_package(path, target, limits=limits)
            _remove_left_behind(target)
        try:
            yield read_package(target, limits=limits)
        except PackageError as error:
            # The reader knows the original, not the copy.
            raise PackageError(str(error).replace(str(target), str(path))) from error


def unpack_package(path: Path, target: Path, *, limits: Limits = PACKAGE_LIMITS) -> Path:
    """Unpack an archive into a new folder and return where its manifest is.

    A package may lie in the archive's root or in the one folder that the archive holds.

    Raises:
        ArchiveError: It is neither a zip nor a tar.gz, breaks a limit or leads out of the folder.
        PackageError: There is no such file.
    """
    if not path.is_file():
        raise PackageError(f"{path}: no such package; give a folder, a .zip or a .tar.gz")
    if path.name.endswith(".zip"):
        extract_zip(path, target, limits)
        _restore_modes(path, target)
    elif path.name.endswith((".tar.gz", ".tgz")):
        extract_tar_gz(path, target, limits)
    else:
        raise ArchiveError(f"{path}: is neither a folder nor a .zip or .tar.gz")
    entries = [entry for entry in target.iterdir() if entry.name not in _LEFT_BEHIND]
    if len(entries) == 1 and entries[0].is_dir():
        return entries[0]
    return target


def read_package(folder: Path, *, limits: Limits = PACKAGE_LIMITS) -> Package:
    """Read a package's manifest and look at all its files.

    Nothing of a model is parsed here: that is done in the isolated process.

    Raises:
        PackageError: No or two manifests, a link or special file, a limit exceeded, a file that the
            manifest names and that is not there, or, outside the lane ``code``, a pickled file.
    """
    # Looked at before anything is opened: a manifest that is a link could name any file.
    paths = _regular_files(folder, limits)
    manifest = read_manifest(folder)
    files = tuple(_look_at(folder, path) for path in paths)
    _check_names(folder, manifest, {file.name for file in files})
    if manifest.lane != "code":
        for path in paths:
            if looks_pickled(path):
                raise PackageError(
                    f"{path}: looks pickled, which the lane {manifest.lane} does not take; "
                    "save weights as safetensors, a whole model as ONNX"
                )
    return Package(folder, manifest, files, digest_of(files))


def read_manifest(folder: Path) -> Manifest:
    """Read a package's manifest and nothing else.

    Raises:
        PackageError: There is none, there are two, or it is wrong.
    """
    found = [name for name in FILE_NAMES if (folder / name).is_file()]
    if len(found) != 1:
        what = "are both, keep one" if found else "is none; `challenge submission new task2` writes one"
        raise PackageError(f"{folder}: a package has a package.yaml or a package.json, here {what}")
    file = folder / found[0]
    if file.stat().st_size > MOST_BYTES:
        raise PackageError(f"{file}: is longer than {MOST_BYTES} bytes")
    return parse_manifest(file.read_bytes(), str(file))


def _copy(folder: Path, target: Path, limits: Limits) -> None:
    for source in _regular_files(folder, limits):
        name = source.relative_to(folder)
        if _LEFT_BEHIND.isdisjoint(name.parts):
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, file, follow_symlinks=False)
            if source.stat().st_mode & stat.S_IXUSR:
                file.chmod(file.stat().st_mode | stat.S_IXUSR)
    target.mkdir(exist_ok=True)


def _remove_left_behind(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.name in _LEFT_BEHIND and path.is_dir():
            shutil.rmtree(path)
        elif path.name in _LEFT_BEHIND:
            path.unlink()


def _restore_modes(archive: Path, folder: Path) -> None:
    """Give the unpacked files the one right that counts: whether they may be executed."""
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            file = folder / entry.filename
            if entry.create_system == 3 and (entry.external_attr >> 16) & stat.S_IXUSR and file.is_file():
                file.chmod(file.stat().st_mode | stat.S_IXUSR)


def _regular_files(folder: Path, limits: Limits) -> list[Path]:
    found: list[Path] = []
    total = 0
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in [*folders, *sorted(names)]:
            path = Path(root, name)
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                continue
            if not stat.S_ISREG(status.st_mode):
                raise PackageError(f"{path}: a link or no regular file; put the file itself there")
            total += status.st_size
            found.append(path)
            if len(found) > limits.entries:
                raise PackageError(f"{folder}: more than {limits.entries} files; is it the right folder?")
            if status.st_size > limits.file_bytes or total > limits.total_bytes:
                raise PackageError(
                    f"{path}: a file has at most {limits.file_bytes} bytes, a package {limits.total_bytes}"
                )
    return found


def _look_at(folder: Path, path: Path) -> PackageFile:
    name = path.relative_to(folder).as_posix()
    if not name.isprintable():
        raise PackageError(f"{folder}: {name!r}: a name with characters that cannot be printed; rename it")
    state = hashlib.sha256()
    with path.open("rb") as file:
        executable = bool(os.fstat(file.fileno()).st_mode & stat.S_IXUSR)
        size = 0
        while block := file.read(_BLOCK):
            state.update(block)
            size += len(block)
    return PackageFile(name, size, executable, state.hexdigest())


def _check_names(folder: Path, manifest: Manifest, names: set[str]) -> None:
    for key in ("file", "module"):
        named = getattr(manifest, key)
        if named is not None and (named not in names or PurePosixPath(named).is_absolute()):
            raise PackageError(f"{folder}: {key}: {named} is not in the package; add it or mend the name")
    if manifest.lane == "onnx":
        models = sorted(name for name in names if name.endswith(".onnx"))
        if len(models) > 1:
            raise PackageError(f"{folder}: has {', '.join(models[:3])}; the lane onnx takes one .onnx file")
