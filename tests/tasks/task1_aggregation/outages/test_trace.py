from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.task1_aggregation.errors import SettingsError
from tasks.task1_aggregation.outages.process import Window
from tasks.task1_aggregation.outages.trace import parse_trace, read_trace, trace_text

HEAD = "site,start_s,end_s\n"


def test_lines_are_read_by_site_in_their_order() -> None:
    text = HEAD + '3,60,90.5\n"a, b",0,1e3\n3, 10 , 20\n\n3,95,\n'
    assert parse_trace(text, "t.csv") == {
        "3": (Window(60, 90.5), Window(10, 20), Window(95, math.inf)),
        "a, b": (Window(0, 1000),),
    }


names = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=8)
windows = st.builds(
    lambda start, length: Window(start, start + length if start + length > start else math.inf),
    st.floats(0, 1e7),
    st.floats(0.001, 1e5) | st.just(math.inf),
)


@given(st.dictionaries(names, st.lists(windows, min_size=1, max_size=4).map(tuple), max_size=4))
def test_what_is_written_is_read_back_exactly(trace: dict[str, tuple[Window, ...]]) -> None:
    assert parse_trace(trace_text(trace), "t.csv") == trace


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the header is ''"),
        ("site,start,end\n", "line 1: the header is 'site,start,end', not 'site,start_s,end_s'"),
        (HEAD + "3,60\n", "line 2: 2 fields"),
        (HEAD + "3,60,90\n,1,2\n", "line 3: the site has no name"),
        (HEAD + "3,60,90\n3,abc,2\n", "line 3: could not convert string to float: 'abc'"),
        (HEAD + "3,nan,90\n", "line 2: 'nan' is not a number of seconds"),
        (HEAD + "3,1,inf\n", "line 2: 'inf' is not a number of seconds"),
        (HEAD + "3,,5\n", "line 2: could not convert string to float: ''"),
        (HEAD + "3,-1,5\n", "line 2: an outage from -1.0 s"),
        (HEAD + "3,5,5\n", "line 2: an outage from 5.0 s"),
        (HEAD + "3,1,2\n4,1,2\n9,1,2\n", "line 4: there is no site '9'; the sites are 3, 4"),
        (HEAD + '3,"1"x,2\n', "line 2: not a CSV table"),
    ],
)
def test_wrong_lines_are_named_by_their_number(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_trace(text, "t.csv", ["3", "4"])
    assert str(error.value).startswith("t.csv, " + said)


def test_files_are_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_bytes(b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode() + b"01,5,6\r\n")
    assert read_trace(path) == {"01": (Window(5, 6),)}


def test_unreadable_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read"):
        read_trace(tmp_path / "nothing.csv")
    (tmp_path / "bad.csv").write_bytes(b"site\xff")
    with pytest.raises(SettingsError, match="cannot read"):
        read_trace(tmp_path / "bad.csv")
