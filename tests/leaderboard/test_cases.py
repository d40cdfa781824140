from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.cases import CaseTable, case_table, read_cases
from leaderboard.errors import TableError

HEADER = "submission,seed,site,case,status,dice_wt,hd95_wt"
METRICS = ["dice_wt", "hd95_wt"]


def read(tmp_path: Path, *rows: str, header: str = HEADER, metrics: list[str] = METRICS) -> CaseTable:
    path = tmp_path / "cases.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return read_cases([path], metrics=metrics)


def test_everything_is_sorted_and_every_value_finds_its_place(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "b,0,02,x,ok,0.5,3",
        "a,0,02,x,ok,0.25,4",
        "a,0,01,y,missing,0,374",
        "a,0,01,x,ok,1,0",
        "b,0,01,y,ok,0.75,2",
    )

    assert table.submissions == ("a", "b")
    assert table.sites == ("01", "02")
    assert table.cases == (("01", "x"), ("01", "y"), ("02", "x"))
    assert table.starts.tolist() == [0, 2, 3]
    assert table.case_counts.tolist() == [2, 1]
    assert table.values[0].tolist() == [[1, 0], [0, 374], [0.25, 4]]
    np.testing.assert_equal(table.values[1], [[np.nan, np.nan], [0.75, 2], [0.5, 3]])
    assert table.penalised.tolist() == [[0, 1, 0], [0, 0, 0]]
    assert table.listed.tolist() == [[True, True, True], [False, True, True]]
    assert table.evaluated.all()


def test_ids_are_text_and_a_case_of_the_same_name_at_another_site_is_another(tmp_path: Path) -> None:
    table = read(tmp_path, "7,0,01,1,ok,0.5,3", "7,0,1,1,ok,0.25,4", "NA,0,1,1,ok,0.5,3")

    assert table.submissions == ("7", "NA")
    assert table.cases == (("01", "1"), ("1", "1"))
    assert table.evaluated.tolist() == [[True, True], [False, True]]


def test_files_are_joined_and_columns_that_no_scheme_uses_are_not_needed(tmp_path: Path) -> None:
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text("submission,seed,site,case,status,dice_wt\na,0,1,x,ok,0.5\n")
    two.write_text("dice_wt,case,site,seed,submission,status,note\n0.75,x,1,0,b,ok,anything\n")

    table = read_cases([one, two], metrics=["dice_wt"])

    assert table.submissions == ("a", "b")
    assert table.values[:, 0, 0].tolist() == [0.5, 0.75]


def test_an_empty_value_is_missing_and_its_row_still_says_that_the_case_was_evaluated(tmp_path: Path) -> None:
    table = read(tmp_path, "a,0,1,x,ok,,nan", "a,0,1,y,ok,0.5,3", "b,0,2,x,crashed,,")

    np.testing.assert_equal(table.values[0, 0], [np.nan, np.nan])
    assert table.evaluated.tolist() == [[True, False], [False, True]]
    assert table.penalised[1].tolist() == [0, 0, 1]


def test_seeds_count_once_with_their_mean_and_a_case_that_a_seed_lacks_is_missing(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "a,1,1,x,ok,0.5,2",
        "a,2,1,x,missing,0,374",
        "a,1,1,y,ok,0.5,2",
        "b,1,1,x,ok,0.25,1",
        "b,1,1,y,ok,0.25,1",
    )

    assert table.values[0, 0].tolist() == [0.25, 188]
    assert table.penalised[0].tolist() == [0.5, 0]
    assert np.isnan(table.values[0, 1]).all()
    assert table.values[1].tolist() == [[0.25, 1], [0.25, 1]]


@settings(deadline=None, max_examples=25)
@given(order=st.permutations(range(12)))
def test_the_order_of_rows_does_not_change_a_bit(order: list[int]) -> None:
    rows = [
        {"submission": name, "seed": seed, "site": "1", "case": case, "status": "ok", "dice_wt": value}
        for name in "ab"
        for case in "xy"
        for seed, value in enumerate((0.1, 0.2, 0.3))
    ]

    one, other = case_table(rows, ["dice_wt"]), case_table([rows[i] for i in order], ["dice_wt"])

    assert other.cases == one.cases
    assert other.values.tobytes() == one.values.tobytes()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a,0,1,x,ok,0.5,3", "a,0,1,x,ok,0.5,3"], "cases.csv, row 3, column case: .*already in .*row 2"),
        (["a,0,1,x,ok,0.5,3", "a,0,1,,ok,0.5,3"], "cases.csv, row 3, column case: is empty"),
        (["a,0,1,x,,0.5,3"], "cases.csv, row 2, column status: is empty"),
        (["a,0,1,x,ok,half,3"], "cases.csv, row 2, column dice_wt: 'half' is no finite number"),
        (["a,0,1,x,ok,0.5,inf"], "cases.csv, row 2, column hd95_wt: 'inf' is no finite number"),
        (["a,0,1,x,ok,0.5,3,4,5"], "cases.csv, row 2: has 9 fields, the header has 7"),
        (['a,0,1,x,ok,0.5,"3'], "cases.csv, row 2: is not CSV"),
        (["a,0,1,x,ok,0.5,3", "a,0,1,y,ok,0.5"], "cases.csv, row 3: has 6 fields"),
        ([], "no rows"),
    ],
)
def test_a_bad_row_is_named_with_file_row_and_column(rows: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=message) as error:
        read(tmp_path, *rows)
    assert error.value.exit_code == 2


def test_a_missing_column_or_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="row 1: has no column status, hd95_wt"):
        read(tmp_path, "a,0,1,x,0.5", header="submission,seed,site,case,dice_wt")
    with pytest.raises(TableError, match=r"none.csv: cannot be read"):
        read_cases([tmp_path / "none.csv"])
    with pytest.raises(TableError, match="iou_wt: not among"):
        read(tmp_path, "a,0,1,x,ok,0.5,3", metrics=["iou_wt"])
    (tmp_path / "latin.csv").write_bytes(b"submission\n\xe9\n")
    with pytest.raises(TableError, match="not UTF-8"):
        read_cases([tmp_path / "latin.csv"])
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(TableError, match="row 1: has no column submission"):
        read_cases([tmp_path / "empty.csv"])
    with pytest.raises(TableError, match="column site twice"):
        read(tmp_path, header=HEADER + ",site")


def test_some_submissions_or_sites_alone(tmp_path: Path) -> None:
    rows = [f"{name},0,{site},x,ok,0.5,3" for name in ("a", "b", "base") for site in "12"]
    table = read(tmp_path, *rows)

    assert table.of_submissions(["b", "a"]).submissions == ("a", "b")
    assert table.of_submissions(["a"]).values.shape == (1, 2, 2)
    assert table.of_sites(["2"]).cases == (("2", "x"),)
    assert table.of_sites(["2"]).starts.tolist() == [0, 1]
    with pytest.raises(TableError, match="submission c: not in the table; it has a, b, base"):
        table.of_submissions(["a", "c"])
    with pytest.raises(TableError, match="site 3"):
        table.of_sites(["3"])
