"""The two small files that name collaborators, and the list of revoked serials."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest
import yaml
from faulty_disk import Death, FaultyDisk
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_core.durable import Disk
from fl_core.errors import InputError
from fl_core.pki.authorised import add_authorised, read_authorised
from fl_core.pki.data_paths import read_data_paths, record_data_path
from fl_core.pki.errors import CertificateError, Reason
from fl_core.pki.revocation import RevocationList, add_revoked, read_revoked

NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}", fullmatch=True) | st.sampled_from(
    ["1", "010", "no", "null", "1e3", "0x10", "1_0", "2024-01-01", "true", "NaN"]
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(NAMES, st.none() | st.integers(1, 10**9), max_size=8))
def test_names_come_back_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, names: dict[str, int | None]
) -> None:
    path = tmp_path_factory.mktemp("cols") / "plan" / "cols.yaml"
    for name, cap in names.items():
        assert add_authorised(path, name, Disk(), cap)
        assert not add_authorised(path, name, Disk())

    assert read_authorised(path) == names
    assert list(read_authorised(path)) == sorted(names)
    if names:
        entries = yaml.safe_load(path.read_text())["collaborators"]
        assert [e["name"] if isinstance(e, dict) else e for e in entries] == sorted(names)


def test_the_forms_of_the_authorised_list(tmp_path: Path) -> None:
    path = tmp_path / "cols.yaml"
    assert read_authorised(path) == {}
    path.write_text("# who may take part\ncollaborators:\n")
    assert read_authorised(path) == {}
    path.write_text("# who may take part\n\ncollaborators: [two, {name: three, max_samples: 500}, 1]\n")
    assert read_authorised(path) == {"1": None, "three": 500, "two": None}
    add_authorised(path, "a", Disk())
    assert path.read_text() == (
        "# who may take part\n\ncollaborators:\n- '1'\n- a\n- {max_samples: 500, name: three}\n- two\n"
    )
    add_authorised(path, "three", Disk(), max_samples=20)
    assert read_authorised(path) == {"1": None, "a": None, "three": 20, "two": None}
    plain = tmp_path / "plain.yaml"
    for name in ("two", "one"):
        add_authorised(plain, name, Disk())
    assert plain.read_text() == "collaborators: [one, two]\n"


@pytest.mark.parametrize(
    "content",
    [
        "[one]",
        "collaborators: one",
        "collaborators: [one, one]",
        "collaborators: [../one]",
        "collaborators: [{name: one, max_samples: 0}]",
        "collaborators: [{name: one, max_samples: many}]",
        "collaborators: [{name: one, tags: x}]",
        "collaborators: [[one]]",
        "collaborator: [one]",
        "collaborators: [one",
        "a: !!python/object/apply:os.system [true]",
    ],
)
def test_another_form_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "cols.yaml"
    path.write_text(content)
    with pytest.raises(InputError):
        read_authorised(path)
    with pytest.raises(InputError):
        add_authorised(path, "two", Disk())
    assert path.read_text() == content


def test_data_paths_are_kept_sorted(tmp_path: Path) -> None:
    path = tmp_path / "plan" / "data.yaml"
    assert read_data_paths(path) == {}
    for name, data in (("two", "/data/b: c"), ("one", "1"), ("1", "/x"), ("two", "/data/ä")):
        record_data_path(path, name, data, Disk())

    assert path.read_text() == "'1': /x\none: '1'\ntwo: /data/ä\n"
    assert read_data_paths(path) == {"1": "/x", "one": "1", "two": "/data/ä"}
    path.write_text("# mine\none: 2\n")
    record_data_path(path, "two", "/y", Disk())
    assert path.read_text() == "# mine\none: '2'\ntwo: /y\n"
    path.write_text("one: [a]\n")
    with pytest.raises(InputError, match="one: must be one path"):
        read_data_paths(path)


@pytest.mark.parametrize("when", ["before", "torn", "after"])
@pytest.mark.parametrize("step", range(5))
def test_a_stop_at_any_step_leaves_the_old_list_or_the_new(tmp_path: Path, step: int, when: str) -> None:
    path = tmp_path / "cols.yaml"
    add_authorised(path, "one", Disk())

    if when != "torn" or step == 1:
        with pytest.raises(Death):
            add_authorised(path, "two", FaultyDisk(step, when))
    assert read_authorised(path) in ({"one": None}, {"one": None, "two": None})
    add_authorised(path, "two", Disk())
    assert read_authorised(path) == {"one": None, "two": None}


def test_revocation_holds_from_the_next_question_on(tmp_path: Path) -> None:
    path = tmp_path / "revoked.json"
    revoked = RevocationList(path)
    assert not revoked.is_revoked(0xABC)

    add_revoked(path, [0xABC], Disk())
    assert revoked.is_revoked(0xABC) and not revoked.is_revoked(0xABD)
    add_revoked(path, [0xABD], Disk())
    assert revoked.is_revoked(0xABC) and revoked.is_revoked(0xABD)
    assert json.loads(path.read_text()) == {"schema": "revoked/1", "serials": ["0abc", "0abd"]}
    assert RevocationList(path).is_revoked(0xABD)

    before = path.stat()
    path.write_text(path.read_text().replace("0abd", "0abe"))  # the same size, the same date
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert revoked.is_revoked(0xABE) and not revoked.is_revoked(0xABD)
    path.unlink()
    assert not revoked.is_revoked(0xABC)


def test_a_damaged_list_stops_the_start_and_later_keeps_what_was_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "revoked.json"
    add_revoked(path, [7], Disk())
    revoked = RevocationList(path)
    path.write_text("{")

    with pytest.raises(CertificateError, match=r"revoked\.json: is not of the form") as raised:
        RevocationList(path)
    assert raised.value.reason is Reason.UNREADABLE
    with pytest.raises(CertificateError):
        add_revoked(path, [8], Disk())
    with caplog.at_level(logging.ERROR):
        assert revoked.is_revoked(7) and revoked.is_revoked(7) and not revoked.is_revoked(8)
    assert len(caplog.records) == 1 and "1 serials read before still hold" in caplog.text


@pytest.mark.parametrize(
    "content",
    ["[]", '{"schema": "revoked/2", "serials": []}', '{"schema": "revoked/1", "serials": [7]}', "[" * 10**5],
)
def test_other_forms_of_the_revoked_list(tmp_path: Path, content: str) -> None:
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(CertificateError):
        read_revoked(tmp_path / "r.json")


def test_serials_as_openssl_prints_them_are_read(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"schema": "revoked/1", "serials": ["0A:BC", "FF"]}')
    assert read_revoked(tmp_path / "r.json") == {0xABC, 255}
