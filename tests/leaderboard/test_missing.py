"""Bounds of ranks over all completions, against all completions of small tables."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_tables import array_table, tables, without_cells

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.missing import rank_bounds
from leaderboard.ranking.fets2022_task1 import Fets2022Task1
from leaderboard.ranking.registry import PUBLISHED, SCHEMES, Options, make_scheme
from leaderboard.ranking.site_ranking import SiteRanking
from leaderboard.ranking.summarise import FETS2022_RULES, summarise_site

FEW = settings(max_examples=12, deadline=None)
METRIC = ["dice_wt"]


def scheme(name: str) -> SiteRanking | Fets2022Task1:
    options = (
        Options("worst-rank") if name in PUBLISHED else Options("worst-rank", "min", "penalty", "as-scored")
    )
    made = make_scheme(name, options)
    assert isinstance(made, SiteRanking | Fets2022Task1)
    return made


def speed(table: CaseTable) -> dict[str, float]:
    return {name: 0.5 for name in table.submissions}


def all_ranks(name: str, table: CaseTable) -> np.ndarray:
    """Ranks in every completion of a table with levels 0, 1/4, 1/2: at, between and beyond its values."""
    missing = np.argwhere(~table.listed)
    found = []
    for levels in product(np.arange(-1, 6) / 8, repeat=len(missing)):
        values = table.values.copy()
        for (submission, case), level in zip(missing, levels, strict=True):
            values[submission, case] = level
        whole = replace(table, values=values, listed=np.ones_like(table.listed))
        found.append(scheme(name).rank(whole, speed(table)).ranks)
    return np.array(found)


def small(seed: int, gaps: int) -> CaseTable:
    """Three or four submissions, two sites; the second one, of one or two cases, lacks some."""
    rng = np.random.default_rng(seed)
    names, sizes = int(rng.integers(3, 5)), [int(rng.integers(1, 4)), 2 // gaps]
    table = array_table(rng.integers(0, 3, (names, sum(sizes), 1)) / 4, sizes, METRIC)
    gone = np.zeros((names, 2), bool)
    gone[rng.choice(names, gaps, replace=False), 1] = True
    return without_cells(table, gone)


@pytest.mark.parametrize("gaps", [1, 2])
@pytest.mark.parametrize("name", SCHEMES)
@FEW
@given(seed=st.integers(0, 2**32 - 1))
def test_no_completion_leads_outside_the_bounds_and_exact_ones_are_reached(
    name: str, gaps: int, seed: int
) -> None:
    table = small(seed, gaps)

    bounds, ranks = rank_bounds(scheme(name), table, speed(table)), all_ranks(name, table)

    assert (bounds.best <= ranks.min(axis=0)).all()
    assert (bounds.worst >= ranks.max(axis=0)).all()
    exact = bounds.best_exact
    assert bounds.best[exact].tolist() == ranks.min(axis=0)[exact].tolist()
    exact = bounds.worst_exact
    assert bounds.worst[exact].tolist() == ranks.max(axis=0)[exact].tolist()


@pytest.mark.parametrize("name", ["aggregate-then-mean", "aggregate-then-median", "fets2022-task1"])
@FEW
@given(seed=st.integers(0, 2**32 - 1))
def test_the_bounds_of_the_only_submission_with_gaps_are_exact(name: str, seed: int) -> None:
    table = small(seed, 1)
    own = np.flatnonzero(~table.evaluated[:, 1])

    bounds, ranks = rank_bounds(scheme(name), table, speed(table)), all_ranks(name, table)

    assert bounds.best[own] == ranks.min(axis=0)[own]
    assert bounds.worst[own] == ranks.max(axis=0)[own]
    assert bounds.best_exact[own] and bounds.worst_exact[own]


@pytest.mark.parametrize("name", SCHEMES)
@FEW
@given(table=tables())
def test_where_nothing_is_missing_both_bounds_are_the_rank(name: str, table: CaseTable) -> None:
    bounds = rank_bounds(scheme(name), table, speed(table))

    ranks = scheme(name).rank(table, speed(table)).ranks
    assert bounds.best.tolist() == bounds.worst.tolist() == ranks.tolist()
    assert bounds.best_exact.all() and bounds.worst_exact.all()


def test_bounds_by_hand() -> None:
    # Three sites of one case: m00 before m01 before m02; m02 was not evaluated at two of them.
    values = np.broadcast_to([[[0.9]], [[0.8]], [[0.7]]], (3, 3, 1))
    gone = np.array([[0, 0, 0], [0, 0, 0], [0, 1, 1]], bool)
    table = without_cells(array_table(values, [1, 1, 1], METRIC), gone)

    bounds = rank_bounds(scheme("aggregate-then-mean"), table, None)

    # At best m02 scores (3 + 1 + 1) / 3, as m00 does with (1 + 2 + 2) / 3; at worst it stays behind.
    assert bounds.submissions == ("m00", "m01", "m02")
    assert bounds.best.tolist() == [1, 2, 1]
    assert bounds.worst.tolist() == [1, 3, 3]
    assert bounds.best_exact.all()
    # That m02 passes m01 needs a first place at one site, and between the two at the other is worse.
    assert bounds.worst_exact.all()


def test_two_gaps_in_a_board_of_twelve_leave_bounds_that_tell_something() -> None:
    rng = np.random.default_rng(4)
    skill = np.linspace(0, 4, 12)[:, None, None]
    values = (rng.integers(0, 8, (12, 60, 1)) / 8 + skill) * [[[1, -1]]]
    gone = np.zeros((12, 6), bool)
    gone[3, 0] = gone[8, 1] = True
    table = without_cells(array_table(values, [10] * 6), gone)

    for name in SCHEMES:
        bounds = rank_bounds(scheme(name), table, speed(table))
        ranks = scheme(name).rank(table, speed(table)).ranks
        assert (bounds.best <= ranks).all() and (bounds.worst >= ranks).all()
        assert (bounds.worst - bounds.best).mean() < 2


def test_a_gap_at_a_site_with_a_summary_cannot_be_bounded() -> None:
    table = without_cells(array_table(np.zeros((2, 2, 2)), [1, 1]), np.array([[0, 0], [0, 1]], bool))
    summary = summarise_site(table, "s001", FETS2022_RULES)
    summed = replace(table.of_sites(["s000"]), summaries=(summary,))

    with pytest.raises(TableError, match="s001 gave a summary"):
        rank_bounds(scheme("fets2022-task2-py"), summed, None)
