"""The export for challengeR."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from ranking_tables import array_table

from leaderboard.tables.details import challenger_csv


def test_every_algorithm_has_every_case_of_every_task() -> None:
    values = np.arange(12).reshape(2, 3, 2) / 16
    values[1, 2, 0] = np.nan
    table = array_table(values, [1, 2])

    rows = list(csv.DictReader(io.StringIO(challenger_csv(table, "higher"))))

    assert list(rows[0]) == ["task", "algorithm", "case", "value"]
    assert [tuple(row.values()) for row in rows] == [
        ("s000 dice_wt", "m00", "c0000", "0.0"),
        ("s000 dice_wt", "m01", "c0000", "0.375"),
        ("s001 dice_wt", "m00", "c0000", "0.125"),
        ("s001 dice_wt", "m01", "c0000", "0.5"),
        ("s001 dice_wt", "m00", "c0001", "0.25"),
        ("s001 dice_wt", "m01", "c0001", "NA"),
    ]


@pytest.mark.parametrize(("better", "metric"), [("higher", "dice_wt"), ("lower", "hd95_wt")])
def test_a_file_has_one_direction(better: str, metric: str) -> None:
    table = array_table(np.full((2, 3, 2), 0.5), [1, 2])

    rows = list(csv.DictReader(io.StringIO(challenger_csv(table, better))))  # type: ignore[arg-type]

    assert {row["task"].split()[1] for row in rows} == {metric}
    assert len(rows) == 2 * 3
