"""What holds for every scheme: against a slow ranking, and what must not matter."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_tables import array_table, slow_site_ranks, tables
from scipy import stats

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.ranking.base import Scheme
from leaderboard.ranking.registry import CHALLENGER, OPEN, PUBLISHED, SCHEMES, Options, make_scheme

FEW = settings(max_examples=20, deadline=None)  # of each scheme
RULES = [
    (name, ties, missing)
    for name, ties, missing in product(OPEN, ("min", "average"), ("last", "penalty"))
    if name.startswith("rank") or missing == "penalty"
]


def scheme(name: str, ties: str = "min", missing: str = "penalty", cells: str = "refuse") -> Scheme:
    return make_scheme(name, cast(Any, Options)(cells, ties, missing, "as-scored"))


def by_default(name: str) -> Scheme:
    return make_scheme(name, Options(cells="refuse") if name in PUBLISHED else CHALLENGER)


def speed(table: CaseTable) -> dict[str, float]:
    return {name: 0.5 for name in table.submissions}


@pytest.mark.parametrize(("name", "ties", "missing"), RULES)
@FEW
@given(table=tables())
def test_a_scheme_is_the_mean_of_the_slow_ranks_over_sites_and_metrics(
    name: str, ties: str, missing: str, table: CaseTable
) -> None:
    ranking = scheme(name, ties, missing).rank(table, None)

    expected = slow_site_ranks(table, name, ties, missing).mean(axis=(0, 1))
    assert ranking.scores == pytest.approx(expected)
    if not np.isnan(table.values).all(axis=(1, 2)).any():
        ranks = stats.rankdata(np.round(expected, 9), method=ties)
        assert ranking.ranks.tolist() == ranks.tolist()


def test_tests_decide_where_there_are_cases_enough() -> None:
    rng = np.random.default_rng(3)
    gain = rng.integers(-3, 9, (5, 50, 2)) * np.arange(5)[:, None, None] * [1, -1]
    table = array_table((rng.integers(0, 64, (1, 50, 2)) + gain) / 64, [20, 30])

    ranking = scheme("test-based").rank(table, None)

    assert ranking.scores == pytest.approx(
        slow_site_ranks(table, "test-based", "min", "penalty").mean(axis=(0, 1))
    )
    assert len(set(ranking.scores.tolist())) >= 4


@pytest.mark.parametrize("name", SCHEMES)
@FEW
@given(table=tables(), data=st.data())
def test_the_order_of_submissions_sites_and_cases_does_not_matter(
    name: str, table: CaseTable, data: st.DataObject
) -> None:
    names = len(table.submissions)
    people = data.draw(st.permutations(range(names)))
    order: list[int] = []
    places = data.draw(st.permutations(range(len(table.case_sites))))
    for site in places:
        order += data.draw(st.permutations(range(table.starts[site], table.starts[site + 1])))
    sizes = np.diff(table.starts)[places].tolist()
    shuffled = array_table(table.values[people][:, order], sizes)

    one, other = by_default(name).rank(table, speed(table)), by_default(name).rank(shuffled, speed(table))

    assert other.ranks.tolist() == one.ranks[people].tolist()
    assert other.scores.tolist() == one.scores[people].tolist()


@pytest.mark.parametrize("name", SCHEMES)
@FEW
@given(table=tables())
def test_the_same_values_are_the_same_rank(name: str, table: CaseTable) -> None:
    twin = array_table(np.concatenate([table.values, table.values[:1]]), np.diff(table.starts).tolist())

    ranking = by_default(name).rank(twin, speed(twin))

    assert ranking.scores[0] == ranking.scores[-1]
    assert ranking.ranks[0] == ranking.ranks[-1]


@pytest.mark.parametrize("name", SCHEMES)
@FEW
@given(table=tables())
def test_who_is_best_on_every_case_is_first_and_alone_where_values_are_ranked(
    name: str, table: CaseTable
) -> None:
    best = np.broadcast_to([2.0, -1.0], (1, *table.values.shape[1:]))
    joined = array_table(np.concatenate([table.values, best]), np.diff(table.starts).tolist())

    ranking = by_default(name).rank(joined, speed(joined))

    assert ranking.ranks[-1] == 1
    if name != "test-based":  # a test needs cases enough to tell
        assert (ranking.ranks[:-1] > 1).all()


def bettered(table: CaseTable, case: int, metric: int) -> CaseTable:
    values = table.values.copy()
    values[0, case, metric] = 1.25 if metric == 0 else -0.25
    return replace(table, values=values)


# Not of test-based: a larger gain on one case can make the differences less even, and a test less sure.
MONOTONE = [name for name in SCHEMES if name != "test-based"]


@pytest.mark.parametrize("name", MONOTONE)
@FEW
@given(table=tables(), data=st.data())
def test_a_better_case_never_worsens_a_score(name: str, table: CaseTable, data: st.DataObject) -> None:
    better = bettered(table, data.draw(st.integers(0, len(table.cases) - 1)), data.draw(st.integers(0, 1)))

    one, other = by_default(name).rank(table, speed(table)), by_default(name).rank(better, speed(table))

    assert other.scores[0] <= one.scores[0]
    if name.startswith("aggregate") or name == "fets2022-task1":
        assert other.ranks[0] <= one.ranks[0]


@pytest.mark.parametrize("name", MONOTONE)
@FEW
@given(table=tables(), data=st.data())
def test_a_better_case_never_worsens_a_rank_at_one_site_by_one_metric(
    name: str, table: CaseTable, data: st.DataObject
) -> None:
    one_metric = array_table(table.values[:, :, :1], [len(table.cases)], ["dice_wt"])
    better = bettered(one_metric, data.draw(st.integers(0, len(table.cases) - 1)), 0)

    one = by_default(name).rank(one_metric, speed(table))

    assert by_default(name).rank(better, speed(table)).ranks[0] <= one.ranks[0]


def test_over_several_sites_a_better_case_can_worsen_a_rank_where_cases_are_ranked() -> None:
    """A property of the published formula: m03 loses a place on the case, m02 draws level, both pass m00."""
    dice = [[3, 2, 0, 0, 0, 2], [0, 1, 0, 1, 2, 3], [0, 3, 0, 0, 3, 1], [3, 1, 3, 0, 3, 1]]
    table = array_table(np.array(dice)[:, :, None] / 4, [3, 3], ["dice_wt"])
    published = by_default("fets2022-task2-py")

    one, other = published.rank(table, None), published.rank(bettered(table, 0, 0), None)

    assert one.scores.tolist() == [2.5, 2.5, 2.5, 1.5]
    assert other.scores.tolist() == [2.5, 2.5, 2, 2]
    assert (one.ranks[0], other.ranks[0]) == (2, 3)


@pytest.mark.parametrize("name", SCHEMES)
@FEW
@given(table=tables(), data=st.data())
def test_who_has_no_value_is_behind_everyone_who_has_one(
    name: str, table: CaseTable, data: st.DataObject
) -> None:
    worst = np.broadcast_to([0.0, 1000.0], (1, *table.values.shape[1:]))
    empty = np.full((data.draw(st.integers(1, 2)), *table.values.shape[1:]), np.nan)
    joined = array_table(np.concatenate([table.values, worst, empty]), np.diff(table.starts).tolist())
    fast = {name: 1.0 if i > len(table.submissions) else 0.0 for i, name in enumerate(joined.submissions)}

    ranks = by_default(name).rank(joined, fast).ranks

    values = ~np.isnan(joined.values).all(axis=(1, 2))
    assert ranks[~values].min() > ranks[values].max()


@pytest.mark.parametrize("name", ["aggregate-then-mean", "aggregate-then-median"])
@FEW
@given(table=tables(most=4))
def test_another_submission_turns_no_pair_at_one_site_by_one_metric_if_values_are_aggregated_first(
    name: str, table: CaseTable
) -> None:
    one = array_table(table.values[:, :, :1], [len(table.cases)], ["dice_wt"])
    rest = one.of_submissions(one.submissions[:-1])

    more, less = scheme(name).rank(one, None).scores[:-1], scheme(name).rank(rest, None).scores

    assert (np.sign(more[:, None] - more) == np.sign(less[:, None] - less)).all()


def test_another_submission_can_turn_a_pair_where_cases_are_ranked_first() -> None:
    # Dice x 10 on three cases; b is far better on one, a by a hair on two.
    pair = np.array([[5, 5, 1], [4, 4, 9]]) / 10
    third = np.array([[0, 0, 5]]) / 10
    fourth = np.array([[0, 0, 4]]) / 10

    def scores(values: np.ndarray) -> list[float]:
        return (
            scheme("rank-then-mean")
            .rank(array_table(values[:, :, None], [3], ["dice_wt"]), None)
            .scores[:2]
            .tolist()
        )

    assert scores(pair) == [1, 2]
    assert scores(np.concatenate([pair, third, fourth])) == [2, 1]


def test_sums_that_floats_would_round_differently_tie() -> None:
    # 0.1 + 0.2 + 0.3 in two orders: 0.6000000000000001 and 0.6.
    table = array_table(np.array([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]])[:, :, None], [3], ["dice_wt"])

    assert scheme("aggregate-then-mean").rank(table, None).ranks.tolist() == [1, 1]


def test_a_penalised_case_is_as_scored_or_behind_a_true_zero_as_declared() -> None:
    values = [[[0.0, 374.0]], [[0.0, 374.0]], [[0.5, 3.0]]]
    table = array_table(values, [1], penalised=[[1.0], [0.0], [0.0]])

    def ranks(penalised: str) -> list[float]:
        options = cast(Any, Options)("refuse", "min", "last", penalised)
        return make_scheme("rank-then-mean", options).rank(table, None).ranks.tolist()

    assert ranks("as-scored") == [2, 2, 1]
    assert ranks("as-missing") == [3, 2, 1]


@pytest.mark.parametrize("name", OPEN)
def test_nothing_is_assumed_that_was_not_declared(name: str) -> None:
    with pytest.raises(TableError, match="missing cell"):
        make_scheme(name, Options(ties="min", missing="penalty", penalised="as-scored"))
    with pytest.raises(TableError, match=r"declare ties, missing, penalised \("):
        make_scheme(name, Options(cells="refuse"))
    with pytest.raises(TableError, match="declare missing "):
        make_scheme(name, Options(cells="refuse", ties="min", penalised="as-scored"))


def test_published_rules_cannot_be_bent_and_unknown_names_are_helped() -> None:
    with pytest.raises(TableError, match="published with ties min"):
        make_scheme("fets2022-task2-r", Options(cells="refuse", ties="average"))
    with pytest.raises(TableError, match="missing cell"):
        make_scheme("fets2022-task1", Options())
    with pytest.raises(TableError, match="did you mean rank-then-mean"):
        make_scheme("rank-than-mean", CHALLENGER)
    with pytest.raises(TableError, match="cannot rank missing ones last"):
        scheme("aggregate-then-mean", missing="last")


def test_a_refused_missing_value_is_named() -> None:
    table = array_table([[[0.5, np.nan]], [[0.5, 1.0]]], [1])

    with pytest.raises(TableError, match=r"m00, site s000, case c0000: no hd95_wt \(1 values are missing at"):
        scheme("rank-then-mean", missing="refuse").rank(table, None)
