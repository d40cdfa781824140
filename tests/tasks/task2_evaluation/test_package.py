"""Packages from folders and archives: one digest, and nothing that leads out or runs."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_packages import CODE, ONNX, WEIGHTS, write_package

from fl_core.archive import ArchiveError, Limits
from fl_core.errors import InputError
from tasks.task2_evaluation.errors import PackageError
from tasks.task2_evaluation.package import PACKAGE_LIMITS, opened_package, read_package
from tasks.task2_evaluation.package_digest import PackageFile, digest_of

FILES = {"model.py": "def predict(case): ...\n", "sub/data.bin": b"\x00\x01", "run.sh": b"#!/bin/sh\n"}
SMALL = Limits(entries=20, file_bytes=10_000, total_bytes=20_000, archive_bytes=20_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = write_package(tmp_path / "pack", FILES)
    (made / "run.sh").chmod(0o755)
    return made


def digest(path: Path) -> str:
    with opened_package(path) as package:
        return package.digest


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def tarred(folder: Path, path: Path, arcname: str = ".") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, arcname)
    return path


def tar_of(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, content in entries:
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_a_folder_and_its_archives_are_the_same_package(folder: Path, tmp_path: Path) -> None:
    wanted = digest(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "model.pyc").write_bytes(b"x")

    archives = [
        zipped(folder, tmp_path / "a.zip"),
        tarred(folder, tmp_path / "a.tar.gz"),
        tarred(folder, tmp_path / "b.tgz", "tiny"),
    ]

    assert {digest(path) for path in [folder, *archives]} == {wanted}
    with opened_package(archives[1]) as package:
        assert [file.name for file in package.files if file.executable] == ["run.sh"]
        assert sorted(file.name for file in package.files) == sorted([*FILES, "package.yaml"])
        inside = package.folder
    assert not inside.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "model.py").write_bytes(b"def predict(case): ..\n"),
        lambda folder: (folder / "model.py").chmod(0o755),
        lambda folder: (folder / "run.sh").rename(folder / "go.sh"),
        lambda folder: (folder / "extra").write_bytes(b""),
        lambda folder: (folder / "sub" / "data.bin").unlink(),
    ],
)
def test_every_change_changes_the_digest(folder: Path, change: Callable[[Path], None]) -> None:
    before = digest(folder)
    change(folder)

    assert digest(folder) != before


def test_what_counts_of_a_mode_is_whether_the_owner_may_execute(folder: Path) -> None:
    before = digest(folder)
    (folder / "model.py").chmod(0o400)
    (folder / "run.sh").chmod(0o700)
    os.utime(folder / "model.py", (0, 0))

    assert digest(folder) == before


names = st.text(st.sampled_from("ab/é"), min_size=1, max_size=4)
listed = st.dictionaries(names, st.tuples(st.booleans(), st.binary(min_size=32, max_size=32)), max_size=4)


@given(one=listed, other=listed)
@settings(deadline=None)
def test_digests_are_equal_exactly_where_the_files_are(
    one: dict[str, tuple[bool, bytes]], other: dict[str, tuple[bool, bytes]]
) -> None:
    def files(of: dict[str, tuple[bool, bytes]]) -> list[PackageFile]:
        return [PackageFile(name, 0, mode, content.hex()) for name, (mode, content) in of.items()]

    assert digest_of(files(one)) == digest_of(reversed(files(one)))
    assert (digest_of(files(one)) == digest_of(files(other))) == (one == other)


def test_two_files_do_not_run_together_into_one() -> None:
    letters = "x" * 32
    two = [PackageFile("a", 0, False, letters.encode().hex()), PackageFile("b", 0, False, "00" * 32)]
    one = [PackageFile(f"a100644{letters}b", 0, False, "00" * 32)]

    assert digest_of(two) != digest_of(one)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([(entry("../out"), b"x")], "leads out"),
        ([(entry("/etc/x"), b"x")], "absolute"),
        ([(entry("a/./b"), b"x")], "empty part"),
        ([(entry("a\\b"), b"x")], "backslash"),
        ([(entry("link", tarfile.SYMTYPE, "/etc/passwd"), b"")], "link"),
        ([(entry("link", tarfile.LNKTYPE, "a"), b"")], "link"),
        ([(entry("pipe", tarfile.FIFOTYPE), b"")], "no regular file"),
        ([(entry("dev", tarfile.CHRTYPE), b"")], "no regular file"),
        ([(entry("a"), b"x"), (entry("A"), b"y")], "twice"),
        ([(entry("a"), b"x"), (entry("a/b"), b"y")], "same name"),
        ([(entry("big"), b"\0" * 10_001)], "unpacks to more"),
        ([(entry(f"f{n}"), b"\0" * 9_000) for n in range(3)], "unpacks to more"),
        ([(entry(f"f{n}"), b"") for n in range(21)], "more than 20 entries"),
        ([(entry("n" * 70_000), b"")], "notes of"),
    ],
)
def test_a_hostile_tar_is_refused_and_leaves_nothing(
    tmp_path: Path, entries: list[tuple[tarfile.TarInfo, bytes]], words: str
) -> None:
    path = tar_of(tmp_path / "evil.tar.gz", *entries)

    with pytest.raises(ArchiveError, match=words), opened_package(path, limits=SMALL):
        pass

    assert [p.name for p in tmp_path.iterdir()] == ["evil.tar.gz"]
    assert not (tmp_path.parent / "out").exists()


def test_a_gzip_bomb_ends_at_the_limit(tmp_path: Path) -> None:
    big = entry("bomb")
    path = tar_of(tmp_path / "bomb.tar.gz", (big, b"\0" * 50_000_000))
    assert path.stat().st_size < 100_000
    limits = Limits(entries=20, file_bytes=1_000_000, total_bytes=1_000_000, archive_bytes=1_000_000)

    with pytest.raises(ArchiveError, match="more than 1000000 bytes"), opened_package(path, limits=limits):
        pass


def test_a_zip_bomb_ends_at_the_limit(folder: Path, tmp_path: Path) -> None:
    (folder / "bomb").write_bytes(b"\0" * 5_000_000)
    path = zipped(folder, tmp_path / "bomb.zip")

    with pytest.raises(ArchiveError, match="bomb unpacks to more"), opened_package(path, limits=SMALL):
        pass


def test_a_link_in_a_zip_is_refused(folder: Path, tmp_path: Path) -> None:
    path = zipped(folder, tmp_path / "link.zip")
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("labels")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/data")

    with pytest.raises(ArchiveError, match="'labels' is a link"), opened_package(path):
        pass


@pytest.mark.parametrize("cut", [10, 100, -20])
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_damaged_archive_is_refused(folder: Path, tmp_path: Path, kind: str, cut: int) -> None:
    path = tmp_path / f"a.{kind}"
    (zipped if kind == "zip" else tarred)(folder, path)
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(InputError), opened_package(path):
        pass


@pytest.mark.parametrize("target", ["/etc/hostname", "../secret", "model.py"])
@pytest.mark.parametrize("name", ["link", "package.json"])
def test_a_folder_with_a_link_is_refused(folder: Path, target: str, name: str) -> None:
    (folder.parent / "secret").write_text("x")
    (folder / name).symlink_to(target)

    with pytest.raises(PackageError, match="a link or no regular file"), opened_package(folder):
        pass


def test_folders_have_limits(folder: Path) -> None:
    with pytest.raises(PackageError, match="more than 2 files"):
        read_package(folder, limits=Limits(entries=2))
    with pytest.raises(PackageError, match="at most 5 bytes"):
        read_package(folder, limits=Limits(file_bytes=5))


def torch_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("old.pth", b"x"),
        ("plain", pickle.dumps([1])),
        ("a.safetensors.bak", torch_zip()),
        ("x.txt", b"PK\x03\x04"),
    ],
)
@pytest.mark.parametrize("lane", [ONNX, WEIGHTS])
def test_pickles_are_refused_where_weights_are_handed_in(
    tmp_path: Path, lane: dict[str, object], name: str, content: bytes
) -> None:
    folder = write_package(tmp_path, {str(lane["file"]): b"", name: content}, lane)

    with pytest.raises(PackageError, match=f"{name}: looks pickled"):
        read_package(folder)
    assert read_package(write_package(folder, {"model.py": ""}, CODE)).manifest.lane == "code"


def test_a_package_has_one_manifest_and_the_files_that_it_names(folder: Path) -> None:
    (folder / "model.py").unlink()
    with pytest.raises(PackageError, match=r"module: model\.py is not in the package"):
        read_package(folder)
    (folder / "package.json").write_text("{}")
    with pytest.raises(PackageError, match="are both, keep one"):
        read_package(folder)
    (folder / "package.json").unlink()
    (folder / "package.yaml").unlink()
    with pytest.raises(PackageError, match="submission new task2"), opened_package(folder):
        pass


def test_only_one_model_in_the_onnx_lane(tmp_path: Path) -> None:
    folder = write_package(tmp_path, {"model.onnx": b"", "other.onnx": b""}, ONNX)

    with pytest.raises(PackageError, match=r"takes one \.onnx file"):
        read_package(folder)


def test_other_paths_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.rar").write_bytes(b"x")
    with pytest.raises(ArchiveError, match="neither a folder nor"), opened_package(tmp_path / "a.rar"):
        pass
    with pytest.raises(PackageError, match="no such package"), opened_package(tmp_path / "none"):
        pass
    assert PACKAGE_LIMITS.total_bytes == 8 * 2**30
