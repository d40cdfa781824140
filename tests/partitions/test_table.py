from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partitions.errors import DataError
from partitions.table import Partition, Row, check_known, numbered, read_partition, write_partition

HEADER = "Partition_ID,Subject_ID,TrainOrVal\n"


def read(folder: Path, text: str) -> Partition:
    (folder / "p.csv").write_text(text, encoding="utf-8")
    return read_partition(folder / "p.csv")


def test_everything_is_text(tmp_path: Path) -> None:
    partition = read(tmp_path, "\ufeffPartition_ID,Subject_ID\n01,a\n1,b\n01,c-1.0 x\n1,007\n")
    assert partition.rows == (
        Row("01", "a", "", 2),
        Row("1", "b", "", 3),
        Row("01", "c-1.0 x", "", 4),
        Row("1", "007", "", 5),
    )
    assert list(partition.institutions) == ["01", "1"]


def test_columns_in_any_order_with_marks(tmp_path: Path) -> None:
    partition = read(tmp_path, "TrainOrVal,Subject_ID,Partition_ID\ntrain,a,x\nval,b,x\n,c,x\n\ntest,d,x\n")
    assert [(row.case, row.part, row.line) for row in partition.rows] == [
        ("a", "train", 2),
        ("b", "val", 3),
        ("c", "", 4),
        ("d", "test", 6),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the columns are none"),
        ("Partition,Subject\n1,a\n", "line 1: the columns are Partition,Subject"),
        ("Partition_ID,Subject_ID,TrainorVal\n1,a,val\n", "line 1: the columns are"),
        ("Partition_ID,Subject_ID,Subject_ID\n1,a,a\n", "line 1: the columns are"),
        (HEADER + "1,a,\n1,b\n", "line 3: has 2 fields, the header has 3"),
        (HEADER + "1,a,\n1, ,\n", "line 3: Subject_ID is empty"),
        (HEADER + ",a,\n", "line 2: Partition_ID is empty"),
        (HEADER + "1,a,\n1,b,validation\n", "line 3: TrainOrVal is 'validation'"),
        (HEADER + "1,a,\n1,b,\n2,c,\n2,a,\n", r"line 5: case 'a' stands there already \(.*line 2\)"),
        (HEADER + "1,a,\n1,b,\n2,c,\n", "line 4: institution '2' has 1 of the two cases"),
        (HEADER + "1,a,\n1,b,\n2,c,\n2,d,test\n", "line 4: institution '2' has 1 of the two cases"),
        (HEADER, "names no case"),
        (HEADER + '1,"a\n', "p.csv"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such partition CSV"):
        read_partition(tmp_path / "gone.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        read_partition(tmp_path / "b.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_partition(tmp_path)


def test_an_unknown_case_is_named_with_the_nearest(tmp_path: Path) -> None:
    partition = read(tmp_path, HEADER + "1,FeTS_001,\n1,FeTS_02,\n1,zzz,\n")
    with pytest.raises(DataError, match=r"line 3: case 'FeTS_02' \(and 1 more\).*nearest is 'FeTS_002'"):
        check_known(partition, ["FeTS_001", "FeTS_002", "FeTS_030"])
    check_known(partition, ["FeTS_001", "FeTS_02", "zzz", "other"])


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(str.strip)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(names, st.sampled_from(["", "train", "val", "test"])),
        min_size=2,
        max_size=9,
        unique_by=lambda t: t[0],
    )
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, cases: list[tuple[str, str]]
) -> None:
    rows = [Row("north, east", case, part) for case, part in cases]  # type: ignore[arg-type]
    rows += [Row("north, east", "two\nlines"), Row("north, east", 'quo"ted')]
    path = tmp_path_factory.getbasetemp() / "written.csv"
    write_partition(Partition(tuple(rows), "test"), path)
    read_back = read_partition(path)
    assert [(r.institution, r.case, r.part) for r in read_back.rows] == [
        (r.institution, r.case, r.part) for r in rows
    ]


def test_unmarked_rows_are_written_with_two_columns(tmp_path: Path) -> None:
    write_partition(numbered([["b", "a"], ["c", "d"]], "test"), tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text() == "Partition_ID,Subject_ID\n1,a\n1,b\n2,c\n2,d\n"
    with pytest.raises(DataError, match="cannot be written"):
        write_partition(numbered([["a", "b"]], "test"), tmp_path / "no" / "p.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]
