"""Kendall's tau against scipy's, and ranks without a site against a table without it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_tables import array_table, tables
from scipy import stats

from leaderboard.agreement import kendall_tau, ranks_without_each_site, scheme_agreement
from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.ranking.base import Ranking
from leaderboard.ranking.registry import CHALLENGER, Options, make_scheme

FEW = settings(max_examples=40, deadline=None)


@FEW
@given(st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_tau_is_scipys(names: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    orders, reference = rng.integers(1, 5, (6, names)), rng.integers(1, 5, names)

    found = kendall_tau(orders, reference)

    for own, order in zip(found, orders, strict=True):
        expected = stats.kendalltau(order, reference, variant="b").statistic
        if not np.isnan(expected):
            assert own == pytest.approx(expected)


def test_tau_of_orders_that_tie_everything() -> None:
    assert kendall_tau([[1, 1], [1, 2]], [1, 1]).tolist() == [1, 0]
    assert kendall_tau([[1, 1]], [1, 2]).tolist() == [0]
    assert kendall_tau([[1]], [1]).tolist() == [1]


@pytest.mark.parametrize("name", ["rank-then-mean", "aggregate-then-median", "test-based", "fets2022-task1"])
@FEW
@given(table=tables(missing=False))
def test_ranks_without_a_site_are_those_of_the_table_without_it(name: str, table: CaseTable) -> None:
    scheme = make_scheme(name, Options(cells="refuse") if name.startswith("fets") else CHALLENGER)
    speed = dict.fromkeys(table.submissions, 0.5)
    if len(table.sites) == 1:
        with pytest.raises(TableError, match="the only one"):
            ranks_without_each_site(scheme, table, speed)
        return

    found = ranks_without_each_site(scheme, table, speed)

    assert found.sites == table.sites
    for site, ranks in zip(found.sites, found.ranks, strict=True):
        rest = table.of_sites([other for other in table.sites if other != site])
        assert ranks.tolist() == scheme.rank(rest, speed).ranks.tolist()


def test_agreement_of_schemes_is_a_matrix() -> None:
    def ranking(ranks: list[float]) -> Ranking:
        return Ranking("x", ("a", "b", "c"), np.zeros(3), np.array(ranks), "lower")

    found = scheme_agreement(
        {"one": ranking([1, 2, 3]), "two": ranking([3, 2, 1]), "three": ranking([1, 3, 2])}
    )

    assert found.schemes == ("one", "two", "three")
    third = 1 / 3
    assert found.tau == pytest.approx(np.array([[1, -1, third], [-1, 1, -third], [third, -third, 1]]))


def test_schemes_of_different_submissions_are_not_compared() -> None:
    one = Ranking("x", ("a",), np.zeros(1), np.ones(1), "lower")
    two = Ranking("x", ("b",), np.zeros(1), np.ones(1), "lower")

    with pytest.raises(TableError, match="different submissions"):
        scheme_agreement({"one": one, "two": two})


def test_a_site_with_a_weight_of_its_own_turns_the_order() -> None:
    table = array_table([[[0.9, 1]] * 2 + [[0.2, 9]], [[0.5, 5]] * 3], [1, 1, 1])

    found = ranks_without_each_site(make_scheme("rank-then-mean", CHALLENGER), table, None)

    assert found.ranks.tolist() == [[1, 1], [1, 1], [1, 2]]
