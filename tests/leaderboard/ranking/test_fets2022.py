"""The published rankings: their worked examples, and the points in which the variants differ."""

from __future__ import annotations

import numpy as np
import pytest

from leaderboard.cases import CaseTable, case_table
from leaderboard.errors import TableError
from leaderboard.metric_direction import RANKED_METRICS
from leaderboard.ranking.fets2022_task1 import fets2022_task1
from leaderboard.ranking.fets2022_task2 import fets2022_task2_py, fets2022_task2_r

# Dice and HD95 of WT, TC, ET; from the challenge's example_data.yaml.
EXAMPLE = {
    ("0", "deepmedic"): (0.5, 8, 0.7, 2, 0.54, 14),
    ("0", "deepscan"): (0.45, 12, 0.85, 5, 0.2, 22),
    ("0", "nnunet"): (0.4, 9, 0.7, 6, 0.12, 16),
    ("1", "deepmedic"): (0.98, 2, 0.31, 5, 0.45, 1),
    ("1", "deepscan"): (0.63, 6.1, 0.23, 4.2, 0.65, 9.1),
    ("1", "nnunet"): (0.31, 6, 0.56, 11, 0.98, 1),
}
COLUMNS = ("dice_wt", "hd95_wt", "dice_tc", "hd95_tc", "dice_et", "hd95_et")


def rows_of(values: dict[tuple[str, str], tuple[float | None, ...]]) -> CaseTable:
    rows = [
        {"submission": name, "seed": 0, "site": "1", "case": case, "status": "ok"}
        | dict(zip(COLUMNS, own, strict=True))
        for (case, name), own in values.items()
    ]
    return case_table(rows)


def task1_example() -> CaseTable:
    teams = {
        ("1", "A"): (0.90, 4, 0.85, 5, 0.80, 3),
        ("1", "B"): (0.88, 5, 0.86, 4, 0.80, 3),
        ("2", "A"): (0.70, 20, 0.60, 25, 0.0, 374),
        ("2", "B"): (0.75, 15, 0.65, 30, 0.5, 12),
    }
    return rows_of(teams)


def test_task_1_worked_example() -> None:
    ranking = fets2022_task1("refuse").rank(task1_example(), {"A": 0.70, "B": 0.72})

    assert ranking.submissions == ("A", "B")
    assert ranking.scores == pytest.approx([1.7778, 1.2222], abs=5e-5)
    assert ranking.ranks.tolist() == [2, 1]
    assert ranking.better == "lower"


def test_task_2_worked_example_in_both_variants() -> None:
    table = rows_of(EXAMPLE)

    r, py = fets2022_task2_r("refuse").rank(table, None), fets2022_task2_py("refuse").rank(table, None)

    assert r.submissions == ("deepmedic", "deepscan", "nnunet")
    assert r.scores == pytest.approx([7 / 6, 2, 2])
    assert py.scores.tolist() == r.scores.tolist()
    assert py.ranks.tolist() == [1, 2, 2]
    assert r.ranks.tolist() == [1, 2.5, 2.5]


@pytest.mark.parametrize(
    ("metric", "ranks"),
    [
        ("dice_wt", [1, 2, 3]),
        ("dice_tc", [2, 2, 1]),
        ("dice_et", [1, 1, 1]),
        ("hd95_wt", [1, 3, 2]),
        ("hd95_tc", [1, 1, 3]),
        ("hd95_et", [1, 3, 2]),
    ],
)
def test_task_2_worked_example_by_metric(metric: str, ranks: list[int]) -> None:
    rows = [
        {"submission": name, "seed": 0, "site": "1", "case": case, "status": "ok"}
        | dict(zip(COLUMNS, own, strict=True))
        for (case, name), own in EXAMPLE.items()
    ]

    # One site and one metric: the score is R itself.
    assert fets2022_task2_py("refuse").rank(case_table(rows, [metric]), None).scores.tolist() == ranks


def test_a_missing_dice_ties_with_a_true_zero_in_r_and_comes_after_it_in_python() -> None:
    good, zero = (0.9, 1, 0.9, 1, 0.9, 1), (0.0, 373, 0.0, 373, 0.0, 373)
    table = rows_of({("1", "good"): good, ("1", "none"): (None,) * 6, ("1", "zero"): zero})

    # Dice: R 1, 2, 2 and Python 1, 3, 2; HD95 1, 3, 2 in both.
    assert fets2022_task2_r("refuse").rank(table, None).scores.tolist() == [1, 2.5, 2]
    assert fets2022_task2_py("refuse").rank(table, None).scores.tolist() == [1, 3, 2]


def test_in_r_a_missing_hd95_counts_1000_which_a_larger_one_still_loses_to() -> None:
    table = rows_of({("1", "a"): (0.5, None) * 3, ("1", "b"): (0.5, 1000.5) * 3, ("1", "c"): (0.5, 999) * 3})

    assert fets2022_task2_r("refuse").rank(table, None).scores.tolist() == [1.5, 2, 1]


def test_every_site_weighs_the_same_in_task_2_and_every_case_in_task_1() -> None:
    rows = []
    for site, cases, better in (("1", 1, "a"), ("2", 3, "b")):
        for case in range(cases):
            for name in ("a", "b"):
                dice = 0.9 if name == better else 0.8
                values = {m: dice if m.startswith("dice") else 5 for m in RANKED_METRICS}
                head = {"submission": name, "seed": 0, "site": site, "case": case, "status": "ok"}
                rows.append(head | values)
    table = case_table(rows)

    assert fets2022_task2_py("refuse").rank(table, None).scores.tolist() == [1.25, 1.25]
    # Dice ranks 7/4 and 5/4 in the mean, HD95 and convergence 1.5 each.
    scores = fets2022_task1("refuse").rank(table, {"a": 0.5, "b": 0.5}).scores
    assert scores == pytest.approx([(3 * 1.75 + 6 * 1.5) / 9, (3 * 1.25 + 6 * 1.5) / 9])


def test_a_team_without_values_does_not_win_task_1_as_it_did_in_the_published_script() -> None:
    perfect = (1.0, 0, 1.0, 0, 1.0, 0)
    table = rows_of({("1", "none"): (None,) * 6, ("1", "perfect"): perfect, ("1", "poor"): (0.0, 374) * 3})

    ranking = fets2022_task1("refuse").rank(table, {"none": 0.9, "perfect": 0.8, "poor": 0.1})

    assert ranking.ranks.tolist() == [3, 1, 2]


def test_without_a_convergence_score_a_team_is_last_by_it_and_without_any_it_is_an_error() -> None:
    scores = fets2022_task1("refuse").rank(task1_example(), {"A": 0.7}).scores

    assert scores[0] == pytest.approx(1.7778 - 3 / 9, abs=5e-5)
    assert scores[1] == pytest.approx(1.2222 + 3 / 9, abs=5e-5)
    with pytest.raises(TableError, match="--convergence"):
        fets2022_task1("refuse").rank(task1_example(), {"C": 0.7})
    with pytest.raises(TableError, match="--convergence"):
        fets2022_task1("refuse").rank(task1_example(), {"A": np.nan})
