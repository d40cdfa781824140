"""Archives: what is written comes back, and what a stranger packs does no harm."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_core.archive import ArchiveError, Limits, extract_zip, read_zip, write_zip

LIMITS = Limits(entries=5, file_bytes=1000, total_bytes=2000, archive_bytes=100_000)
NAMES = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}", fullmatch=True)


def packed(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    """An archive as a stranger makes it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content, compress_type=zipfile.ZIP_DEFLATED)
    return path


def special(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = mode << 16
    return entry


@settings(deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=200), max_size=5))
def test_what_is_written_comes_back_or_is_refused_at_writing(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    nested = any(other.startswith(f"{name}/") for name in files for other in files)
    if nested:
        with pytest.raises(ArchiveError, match="is a file too"):
            write_zip(folder / "a.zip", files)
        assert list(folder.iterdir()) == []
        return
    write_zip(folder / "a.zip", files)
    names = extract_zip(folder / "a.zip", folder / "out", LIMITS)

    assert read_zip(folder / "a.zip", LIMITS) == files
    assert names == sorted(files)
    assert {name: (folder / "out" / name).read_bytes() for name in names} == files
    assert sum(each.is_file() for each in (folder / "out").rglob("*")) == len(files)


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    source = tmp_path / "b.bin"
    source.write_bytes(b"b" * 300_000)
    source.chmod(0o755)
    write_zip(tmp_path / "1.zip", {"a": b"1", "c/b.bin": source})
    source.touch()
    write_zip(tmp_path / "2.zip", {"c/b.bin": source, "a": b"1"})

    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    assert read_zip(tmp_path / "1.zip", Limits())["c/b.bin"] == b"b" * 300_000
    with zipfile.ZipFile(tmp_path / "1.zip") as archive:
        assert [(e.filename, e.date_time, e.external_attr >> 16) for e in archive.infolist()] == [
            ("a", (1980, 1, 1, 0, 0, 0), stat.S_IFREG | 0o644),
            ("c/b.bin", (1980, 1, 1, 0, 0, 0), stat.S_IFREG | 0o644),
        ]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("/etc/passwd", "absolute"),
        ("C:/x", "absolute"),
        ("../x", "leads out"),
        ("a/../../x", "leads out"),
        ("a/./x", "empty part"),
        ("a//x", "empty part"),
        ("a\\..\\x", "backslash"),
        ("a\x1b[2Jx", "control character"),
        ("a" * 1001, "too long"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str, told: str) -> None:
    path = packed(tmp_path / "a.zip", ("good.txt", b"1"), (name, b"2"))

    for read in (lambda: read_zip(path, LIMITS), lambda: extract_zip(path, tmp_path / "out", LIMITS)):
        with pytest.raises(ArchiveError, match=told) as raised:
            read()
        assert "\x1b" not in str(raised.value)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.zip"]
    with pytest.raises(ArchiveError, match=told):
        write_zip(tmp_path / "b.zip", {name: b""})


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    path = packed(tmp_path / "a.zip", (special("link", kind | 0o777), b"/etc/passwd"))

    with pytest.raises(ArchiveError, match="'link' is a link or no regular file"):
        extract_zip(path, tmp_path / "out", LIMITS)
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("a", "a"), "twice"),
        (("a", "A"), "twice"),
        (("\u00e9", "e\u0301"), "twice"),
        (("a", "a/b"), "is a file too"),
    ],
)
def test_two_entries_in_one_place_are_refused(tmp_path: Path, names: tuple[str, str], told: str) -> None:
    path = packed(tmp_path / "a.zip", *((name, b"x") for name in names))

    with pytest.raises(ArchiveError, match=told):
        read_zip(path, LIMITS)


def test_limits_hold_whatever_the_archive_declares(tmp_path: Path) -> None:
    honest = packed(tmp_path / "bomb.zip", ("a", b"\0" * 50_000))
    assert honest.stat().st_size < 1000
    with pytest.raises(ArchiveError, match="a unpacks to more than 1000 bytes"):
        read_zip(honest, LIMITS)

    lying = bytearray(honest.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # declared size: 10
        at = lying.index(signature) + offset
        assert struct.unpack_from("<I", lying, at) == (50_000,)
        struct.pack_into("<I", lying, at, 10)
    honest.write_bytes(lying)
    with pytest.raises(ArchiveError, match=r"damaged|unpacks to more"):
        read_zip(honest, LIMITS)


def test_total_count_and_size_of_the_archive_are_limited(tmp_path: Path) -> None:
    total = packed(tmp_path / "a.zip", *((name, b"x" * 900) for name in "abc"))
    with pytest.raises(ArchiveError, match="unpacks to more than 2000 bytes"):
        extract_zip(total, tmp_path / "out", LIMITS)
    count = packed(tmp_path / "b.zip", *((name, b"") for name in "abcdef"))
    with pytest.raises(ArchiveError, match="has 6 entries, at most 5"):
        read_zip(count, LIMITS)
    with pytest.raises(ArchiveError, match="at most 10 are read"):
        read_zip(count, Limits(archive_bytes=10))

    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def test_damage_is_told(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", ("a", bytes(range(256))))
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="is damaged"):
        read_zip(path, LIMITS)
    path.write_bytes(b"no archive")
    with pytest.raises(ArchiveError, match="not a readable zip archive"):
        read_zip(path, LIMITS)
    with pytest.raises(ArchiveError, match="no such file"):
        read_zip(tmp_path / "none.zip", LIMITS)
    with pytest.raises(ArchiveError, match="is not a file"):
        read_zip(tmp_path, LIMITS)


def test_other_methods_and_encryption_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", b"x", compress_type=zipfile.ZIP_LZMA)
    with pytest.raises(ArchiveError, match="another method"):
        read_zip(tmp_path / "a.zip", LIMITS)
    path = packed(tmp_path / "b.zip", ("a", b"x"))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="encrypted"):
        read_zip(path, LIMITS)


def test_folders_are_left_out_and_rights_not_taken_over(tmp_path: Path) -> None:
    path = packed(
        tmp_path / "a.zip", (special("d/", stat.S_IFDIR | 0o777), b""), (special("d/a", 0o104777), b"x")
    )

    assert extract_zip(path, tmp_path / "out", LIMITS) == ["d/a"]
    assert stat.S_IMODE((tmp_path / "out" / "d" / "a").stat().st_mode) & 0o7133 == 0


def test_only_a_new_or_empty_folder_is_filled(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", ("a", b"x"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")

    for target in ("full", "link", "a.zip"):
        with pytest.raises(ArchiveError, match="not an empty folder"):
            extract_zip(path, tmp_path / target, LIMITS)
    assert [each.name for each in (tmp_path / "full").iterdir()] == ["mine"]
    assert extract_zip(path, tmp_path / "empty", LIMITS) == ["a"]
    assert (tmp_path / "empty" / "a").read_bytes() == b"x"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 10**6), st.integers(0, 255))
def test_no_bytes_make_it_fail_otherwise(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, place: int, value: int
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.txt", junk)
    content = bytearray(buffer.getvalue())
    content[place % len(content)] = value
    path = tmp_path_factory.mktemp("junk") / "a.zip"
    path.write_bytes(content)

    try:
        files = read_zip(path, LIMITS)
    except ArchiveError:
        return
    assert sum(map(len, files.values())) <= LIMITS.total_bytes
