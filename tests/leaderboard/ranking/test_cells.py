"""Missing cells: who was not evaluated at a site."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_tables import array_table, tables, without_cells

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.ranking.base import Cells, Scheme
from leaderboard.ranking.draws import as_it_is
from leaderboard.ranking.pairs import Pairs, beaten_by
from leaderboard.ranking.registry import PUBLISHED, SCHEMES, Options, make_scheme

FEW = settings(max_examples=15, deadline=None)


def scheme(name: str, cells: Cells, ties: str = "min") -> Scheme:
    if name in PUBLISHED:
        return make_scheme(name, Options(cells))
    return make_scheme(
        name, Options(cells, "average" if ties == "average" else "min", "penalty", "as-scored")
    )


def speed(table: CaseTable) -> dict[str, float]:
    return {name: float(i) for i, name in enumerate(table.submissions)}


def three_sites() -> CaseTable:
    """Dice 0.9, 0.8, 0.7 for m00, m01, m02 at every site; m02 was not evaluated at the last."""
    values = np.broadcast_to([[[0.9]], [[0.8]], [[0.7]]], (3, 3, 1))
    gone = np.zeros((3, 3), bool)
    gone[2, 2] = True
    return without_cells(array_table(values, [1, 1, 1], ["dice_wt"]), gone)


@pytest.mark.parametrize("name", ["fets2022-task2-py", "rank-then-median", "aggregate-then-mean"])
def test_the_rules_for_a_missing_cell(name: str) -> None:
    table = three_sites()

    assert scheme(name, "drop-site").rank(table, None).scores.tolist() == [1, 2, 3]
    assert scheme(name, "worst-rank").rank(table, None).scores.tolist() == [1, 2, 3]
    assert scheme(name, "pairwise").rank(table, None).scores.tolist() == [1, 2, 3]
    with pytest.raises(TableError, match="m02 was not evaluated at site s002"):
        scheme(name, "refuse").rank(table, None)


def test_a_submission_that_skips_the_site_it_is_bad_at_gains_by_pairs_and_loses_by_the_worst_rank() -> None:
    # m01 beats m00 at the first site and was not evaluated at the second; m02 is last at both.
    values = [[[0.8], [0.8]], [[0.9], [0.1]], [[0.7], [0.7]]]
    table = without_cells(array_table(values, [1, 1], ["dice_wt"]), np.array([[0, 0], [0, 1], [0, 0]], bool))

    assert scheme("rank-then-mean", "worst-rank").rank(table, None).scores.tolist() == [1.5, 2, 2.5]
    # b beats a: m00 by m01 on 1 of 1 site, m02 by m00 on 2 of 2 and by m01 on 1 of 1.
    assert scheme("rank-then-mean", "pairwise").rank(table, None).scores.tolist() == [2, 1, 3]
    assert scheme("rank-then-mean", "drop-site").rank(table, None).scores.tolist() == [2, 1, 3]


def test_absent_ones_share_the_last_places_by_the_rule_for_ties() -> None:
    values = np.array([0.9, 0.8, 0.7, 0.6]).reshape(4, 1, 1).repeat(2, axis=1)
    gone = np.array([[0, 0], [0, 0], [0, 1], [0, 1]], bool)
    table = without_cells(array_table(values, [1, 1], ["dice_wt"]), gone)

    assert scheme("rank-then-mean", "worst-rank").rank(table, None).scores.tolist() == [1, 2, 3, 3.5]
    average = scheme("rank-then-mean", "worst-rank", "average").rank(table, None)
    assert average.scores.tolist() == [1, 2, 3.25, 3.75]


@pytest.mark.parametrize("name", SCHEMES)
@FEW
@given(table=tables(), seed=st.integers(0, 99))
def test_where_nothing_is_missing_the_rule_does_not_matter(name: str, table: CaseTable, seed: int) -> None:
    found = [
        scheme(name, cells).rank(table, speed(table))
        for cells in ("refuse", "drop-site", "worst-rank", "pairwise")
    ]

    assert all(one.scores.tolist() == found[0].scores.tolist() for one in found)
    assert all(one.ranks.tolist() == found[0].ranks.tolist() for one in found)


@pytest.mark.parametrize("ties", ["min", "average"])
@FEW
@given(table=tables())
def test_scores_by_pairs_are_mean_ranks_where_all_can_be_compared(ties: str, table: CaseTable) -> None:
    chosen = scheme("rank-then-mean", "pairwise", ties)
    pairs = Pairs.none(1, len(table.submissions))
    for site in range(len(table.sites)):
        for costs in chosen.site_costs(table, as_it_is(table), site):  # type: ignore[attr-defined]
            kind = "average" if ties == "average" else "min"
            pairs.add(np.arange(len(costs)), beaten_by(costs, kind), np.array([0]))

    assert pairs.scores()[0] == pytest.approx(chosen.rank(table, None).scores)


@pytest.mark.parametrize("cells", ["worst-rank", "pairwise"])
@pytest.mark.parametrize("name", SCHEMES)
def test_who_was_evaluated_nowhere_is_last(name: str, cells: Cells) -> None:
    values = [[[0.0, 900.0]] * 3, [[1.0, 0.0]] * 3, [[0.0, 900.0]] * 3]
    gone = np.array([[0, 0], [1, 1], [0, 0]], bool)
    table = without_cells(array_table(values, [1, 2]), gone)

    ranks = scheme(name, cells).rank(table, {"m01": 1.0}).ranks

    assert ranks[1] == 3
    assert ranks[0] < 3 and ranks[2] < 3


def test_dropping_every_site_is_an_error_that_offers_the_other_rules() -> None:
    table = without_cells(array_table(np.zeros((2, 2, 2)), [1, 1]), np.eye(2, dtype=bool))

    with pytest.raises(TableError, match="declare worst-rank or pairwise"):
        scheme("rank-then-mean", "drop-site").rank(table, None)


@pytest.mark.parametrize("name", ["rank-then-mean", "fets2022-task1"])
def test_resamples_of_a_table_that_was_not_prepared_are_refused(name: str) -> None:
    table = three_sites()
    chosen = scheme(name, "drop-site")

    with pytest.raises(TableError, match="prepare"):
        chosen.rank_draws(table, speed(table), as_it_is(table))
    prepared = chosen.prepare(table)
    assert prepared.sites == ("s000", "s001")
    assert chosen.rank_draws(prepared, speed(table), as_it_is(prepared)).ranks.shape == (1, 3)


def test_task_1_by_pairs_compares_cases_that_both_have() -> None:
    # Dice only: m00 beats m01 on one of the two common cases, m01 lacks the third.
    values = [[[0.9], [0.7], [0.9]], [[0.8], [0.8], [0.0]]]
    table = without_cells(array_table(values, [2, 1], ["dice_wt"]), np.array([[0, 0], [0, 1]], bool))

    scores = scheme("fets2022-task1", "pairwise").rank(table, {"m00": 0.5, "m01": 0.5}).scores

    assert scores.tolist() == [1.5, 1.5]
    worst = scheme("fets2022-task1", "worst-rank").rank(table, {"m00": 0.5, "m01": 0.5}).scores
    assert worst == pytest.approx([(4 / 3 + 0.5 * 1.5) / 1.5, (5 / 3 + 0.5 * 1.5) / 1.5])
