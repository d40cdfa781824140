"""The journal: what was added is read back; what a crash can do is mended, anything else is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty_disk import Death, FaultyDisk
from hypothesis import given
from hypothesis import strategies as st

from fl_core.aggregator.journal import Journal, JournalError, read
from fl_core.durable import Disk

RECORDS = st.lists(
    st.dictionaries(
        st.text(max_size=8),
        st.one_of(
            st.integers(), st.text(max_size=9), st.floats(allow_nan=False, allow_infinity=False), st.none()
        ),
        max_size=4,
    ),
    max_size=5,
)
ONE, TWO = {"event": "arrived", "site": "a"}, {"event": "dropped", "site": "ü\n", "loss": 0.1}


def _written(path: Path) -> Journal:
    journal = Journal.begin(path, {"round": 3}, Disk())
    journal.add(ONE)
    journal.add(TWO)
    return journal


@given(RECORDS)
def test_records_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, object]]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j"
    journal = Journal.begin(path, {"round": 1}, Disk())
    for record in records:
        journal.add(record)
    entries = read(path)
    assert (entries.about, list(entries.records), entries.torn) == ({"round": 1}, records, False)


def test_a_last_line_cut_anywhere_is_left_out_and_the_journal_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "j"
    _written(path)
    content = path.read_bytes()
    last = content.rindex(b"\n", 0, -1) + 1
    for end in range(last, len(content)):
        path.write_bytes(content[:end])
        journal, entries = Journal.resume(path, Disk())
        assert entries.records == (ONE,)
        assert entries.torn == (end > last)
        journal.add(TWO)
        assert path.read_bytes() == content


def test_a_last_line_of_other_bytes_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "j"
    _written(path)
    content = path.read_bytes()
    path.write_bytes(content[:-20] + bytes(19) + b"\n")
    assert read(path).records == (ONE,)


@pytest.mark.parametrize("line", [0, 1])
def test_any_changed_byte_before_the_last_line_is_an_error_that_names_the_line(
    tmp_path: Path, line: int
) -> None:
    path = tmp_path / "j"
    _written(path)
    lines = path.read_bytes().splitlines(keepends=True)
    for place in range(0, len(lines[line]) - 1, 7):
        damaged = [bytearray(text) for text in lines]
        damaged[line][place] ^= 1
        path.write_bytes(b"".join(damaged))
        with pytest.raises(JournalError, match=f"line {line + 1} is damaged"):
            read(path)


def test_an_empty_file_and_another_schema_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(b"")
    with pytest.raises(JournalError, match="first line is missing"):
        read(path)
    with pytest.raises(JournalError, match="cannot be read"):
        read(tmp_path / "none")
    Journal.begin(path, {}, Disk())
    Journal.begin(path, {"schema": "federation-journal/9"}, Disk())
    with pytest.raises(JournalError, match="federation-journal/9"):
        read(path)


@pytest.mark.parametrize("when", ["before", "torn", "after"])
def test_a_death_in_any_step_leaves_whole_records(tmp_path: Path, when: str) -> None:
    count = FaultyDisk()
    Journal.begin(tmp_path / "count", {}, count).add(ONE)
    for step in range(len(count.steps)):
        path = tmp_path / f"{step}"
        with pytest.raises(Death):
            disk = FaultyDisk(step, when)
            Journal.begin(path, {}, disk).add(ONE)
            raise Death
        if path.is_file():
            assert read(path).records in ((), (ONE,))
