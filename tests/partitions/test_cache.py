import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import partitions.cache
from partitions.cache import CacheError, CaseCache, Prepared, is_whole
from partitions.case import Case, find_cases
from partitions.errors import DataError
from partitions.reader import CaseVolumes

MakeCase = Callable[..., Path]


def crop(volumes: CaseVolumes) -> Prepared:
    stack = np.stack(list(volumes.images.values()))
    return Prepared(stack[:, 2:10, 2:9, 1:8], (2, 2, 1))


class Counting:
    """A transform that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, volumes: CaseVolumes) -> Prepared:
        self.calls += 1
        return crop(volumes)


@pytest.fixture
def cases(make_case: MakeCase) -> tuple[Case, ...]:
    for number in range(3):
        folder = make_case(f"case {number}", seed=number)
    return find_cases(folder.parent).cases


def test_an_entry_has_the_agreed_files(tmp_path: Path, cases: tuple[Case, ...]) -> None:
    entries = CaseCache(tmp_path / "cache").prepare(cases, crop, "crop/1")
    assert list(entries) == ["case 0", "case 1", "case 2"]
    entry = entries["case 1"]
    image = np.load(entry / "image.npy", mmap_mode="r", allow_pickle=False)
    labels = np.load(entry / "labels.npy", mmap_mode="r", allow_pickle=False)
    volumes = partitions.cache.read_case(cases[1])
    assert image.dtype == np.float32 and image.shape == (4, 8, 7, 7)
    np.testing.assert_array_equal(image, crop(volumes).image)
    np.testing.assert_array_equal(labels, volumes.labels)
    assert labels.dtype == np.uint8 and labels.shape == (12, 11, 10)
    meta = json.loads((entry / "meta.json").read_text())
    assert meta.pop("bytes").keys() == {"image.npy", "labels.npy"}
    assert meta == {
        "schema": "case-cache/1",
        "case": "case 1",
        "full_shape": [12, 11, 10],
        "offset": [2, 2, 1],
        "spacing": [2.0, 1.5, 1.0],
    }


def test_the_second_time_nothing_is_read(
    tmp_path: Path, cases: tuple[Case, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = CaseCache(tmp_path / "cache").prepare(cases, crop, "crop/1")
    monkeypatch.setattr(partitions.cache, "read_case", None)
    seen: list[tuple[int, int]] = []
    cache = CaseCache(tmp_path / "cache")
    assert cache.prepare(cases, crop, "crop/1", progress=lambda *call: seen.append(call)) == first
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_workers_make_the_same_entries(tmp_path: Path, cases: tuple[Case, ...]) -> None:
    one = CaseCache(tmp_path / "one").prepare(cases, crop, "crop/1", workers=1)
    many = CaseCache(tmp_path / "many").prepare(cases[::-1], crop, "crop/1", workers=3)
    assert list(many) == ["case 2", "case 1", "case 0"]
    for case, entry in one.items():
        assert entry.name == many[case].name
        for file in ("image.npy", "labels.npy", "meta.json"):
            assert (entry / file).read_bytes() == (many[case] / file).read_bytes()


def test_content_transform_and_id_make_the_key(
    tmp_path: Path, cases: tuple[Case, ...], make_case: MakeCase, save: Callable[..., None]
) -> None:
    cache = CaseCache(tmp_path / "cache")
    before = cache.prepare(cases, crop, "crop/1")
    assert set(cache.prepare(cases, crop, "crop/2").values()).isdisjoint(before.values())
    [twin] = [case for case in find_cases(make_case("twin").parent).cases if case.id == "twin"]
    assert cache.prepare([twin], crop, "crop/1")["twin"] != before["case 0"]
    # The same bytes written again at another time are the same case; other bytes are not.
    path = cases[0].files["t1"]
    path.write_bytes(path.read_bytes())
    assert cache.prepare(cases[:1], crop, "crop/1")["case 0"] == before["case 0"]
    save(path, np.full((12, 11, 10), 7, np.float32))
    changed = cache.prepare(cases[:1], crop, "crop/1")["case 0"]
    assert changed != before["case 0"]
    assert float(np.load(changed / "image.npy")[0].max()) == 7.0


@pytest.mark.parametrize("torn", ["image.npy", "labels.npy", "meta.json"])
@pytest.mark.parametrize("how", ["cut", "gone"])
def test_a_torn_entry_is_made_again(tmp_path: Path, cases: tuple[Case, ...], torn: str, how: str) -> None:
    cache = CaseCache(tmp_path / "cache")
    entry = cache.prepare(cases, crop, "crop/1")["case 1"]
    whole = {file.name: file.read_bytes() for file in entry.iterdir()}
    if how == "cut":
        (entry / torn).write_bytes(whole[torn][:-1])
    else:
        (entry / torn).unlink()
    assert not is_whole(entry)
    transform = Counting()
    assert cache.prepare(cases, transform, "crop/1")["case 1"] == entry
    assert transform.calls == 1
    assert {file.name: file.read_bytes() for file in entry.iterdir()} == whole


@pytest.mark.parametrize("stop_at", range(1, 7))
def test_a_process_that_stops_anywhere_leaves_no_half_entry(
    tmp_path: Path, cases: tuple[Case, ...], stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(BaseException):
        pass

    steps: list[str] = []

    def stopping(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            steps.append(name)
            if len(steps) == stop_at:
                raise Stopped
            return real(*arguments)

        return step

    cache = CaseCache(tmp_path / "cache")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", stopping("flush", os.fsync))
        patched.setattr(Path, "rename", stopping("rename", Path.rename))
        # Without its clean-up, as after `kill -9`.
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(Stopped):
            cache.prepare(cases[:1], crop, "crop/1")
    assert steps == ["flush", "flush", "flush", "flush", "rename", "flush"][:stop_at]
    folders = (tmp_path / "cache" / "entries").iterdir()
    found = [entry for entry in folders if not entry.name.startswith(".tmp-")]
    # Only after the rename there is an entry, and it is whole.
    assert [is_whole(entry) for entry in found] == [True] * (stop_at == 6)
    assert is_whole(cache.prepare(cases[:1], crop, "crop/1")["case 0"])


def test_old_temporaries_go_and_young_ones_stay(tmp_path: Path, cases: tuple[Case, ...]) -> None:
    entries = tmp_path / "cache" / "entries"
    for name, age in (("old", 25 * 3600), ("young", 23 * 3600)):
        folder = entries / f".tmp-{name}"
        folder.mkdir(parents=True)
        (folder / "image.npy").touch()
        os.utime(folder, (1e9 - age, 1e9 - age))
    CaseCache(tmp_path / "cache", now=lambda: 1e9).prepare(cases[:1], crop, "crop/1")
    assert [path.name for path in entries.glob(".tmp-*")] == [".tmp-young"]


def test_losing_a_race_uses_the_winner(tmp_path: Path, cases: tuple[Case, ...]) -> None:
    made: list[Path] = []

    def slow(volumes: CaseVolumes) -> Prepared:
        # While this one transforms, another process prepares the same case.
        made.append(CaseCache(tmp_path / "cache").prepare(cases[:1], crop, "crop/1")["case 0"])
        return crop(volumes)

    entry = CaseCache(tmp_path / "cache").prepare(cases[:1], slow, "crop/1")["case 0"]
    assert made == [entry] and is_whole(entry)
    assert list((tmp_path / "cache" / "entries").iterdir()) == [entry]


def test_two_processes_share_the_cache(tmp_path: Path, cases: tuple[Case, ...]) -> None:
    program = f"""
import numpy as np
from pathlib import Path
from partitions.cache import CaseCache, Prepared
from partitions.case import find_cases
def crop(volumes):
    return Prepared(np.stack(list(volumes.images.values()))[:, 2:10, 2:9, 1:8], (2, 2, 1))
cache = CaseCache(Path({str(tmp_path / "cache")!r}))
cases = find_cases(Path({str(cases[0].folder.parent)!r})).cases
for round in range(8):
    for case, entry in cache.prepare(cases, crop, str(round)).items():
        image = np.load(entry / "image.npy", mmap_mode="r", allow_pickle=False)
        print(round, case, entry.name, float(image.sum()))
"""
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert outputs[0] == outputs[1] and len(outputs[0].splitlines()) == 24
    entries = list((tmp_path / "cache" / "entries").iterdir())
    assert len(entries) == 24 and all(is_whole(entry) for entry in entries)


def test_a_file_that_changes_meanwhile_is_an_error(tmp_path: Path, cases: tuple[Case, ...]) -> None:
    def meddling(volumes: CaseVolumes) -> Prepared:
        cases[0].files["t2"].write_bytes(b"new")
        return crop(volumes)

    with pytest.raises(DataError, match=r"case 0_t2\.nii\.gz: changed while it was read"):
        CaseCache(tmp_path / "cache").prepare(cases[:1], meddling, "crop/1")


@pytest.mark.parametrize(
    "wrong",
    [
        Prepared(np.zeros((4, 2, 2, 2)), (0, 0, 0)),  # type: ignore[arg-type]
        Prepared(np.zeros((3, 2, 2, 2), np.float32), (0, 0, 0)),
        Prepared(np.zeros((4, 2, 2, 2), np.float32), (11, 0, 0)),
        Prepared(np.zeros((4, 2, 2, 2), np.float32), (-1, 0, 0)),
        Prepared(np.full((4, 2, 2, 2), np.nan, np.float32), (0, 0, 0)),
    ],
)
def test_a_wrong_transform_is_named(tmp_path: Path, cases: tuple[Case, ...], wrong: Prepared) -> None:
    with pytest.raises(DataError, match="case 'case 0': the transform 'crop/1' gave"):
        CaseCache(tmp_path / "cache").prepare(cases, lambda volumes: wrong, "crop/1")


def test_a_transform_s_error_names_the_case(tmp_path: Path, cases: tuple[Case, ...]) -> None:
    def refusing(volumes: CaseVolumes) -> Prepared:
        raise DataError("no brain")

    with pytest.raises(DataError, match="case 0: no brain"):
        CaseCache(tmp_path / "cache").prepare(cases, refusing, "crop/1")


def test_a_full_disk_is_an_error_of_the_work(
    tmp_path: Path, cases: tuple[Case, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    cache = CaseCache(tmp_path / "cache")
    with monkeypatch.context() as patched:
        patched.setattr(np, "save", full)
        with pytest.raises(CacheError, match="No space left on device") as caught:
            cache.prepare(cases, crop, "crop/1")
    assert caught.value.exit_code == 1
    assert list((tmp_path / "cache" / "entries").iterdir()) == []
    assert len(cache.prepare(cases, crop, "crop/1")) == 3
