"""The bootstrap against brute force, against exact enumeration, and what must hold for every table."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_tables import array_table, slow_site_ranks, tables
from scipy import stats

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.ranking.base import Scheme
from leaderboard.ranking.registry import Options, make_scheme
from leaderboard.uncertainty import bootstrap, drawn, summarised

FEW = settings(max_examples=20, deadline=None)
NAMES = ("rank-then-mean", "aggregate-then-median", "fets2022-task1", "fets2022-task2-py", "test-based")


def scheme(name: str = "rank-then-mean", ties: str = "min", cells: str = "refuse") -> Scheme:
    if name.startswith("fets"):
        return make_scheme(name, Options(cells=cells))  # type: ignore[arg-type]
    return make_scheme(name, Options(cells, ties, "penalty", "as-scored"))  # type: ignore[arg-type]


def seeded(seed: int):  # type: ignore[no-untyped-def]
    return lambda block: np.random.default_rng([seed, block])


def resampled(table: CaseTable, sites: list[tuple[int, list[int]]]) -> CaseTable:
    """The table with these sites, each with these cases of its own, as if all were different."""
    values = [table.values[:, table.cases_of(site)][:, cases] for site, cases in sites]
    return array_table(np.concatenate(values, axis=1), [len(cases) for _, cases in sites])


def slow_ranks(table: CaseTable, name: str = "rank-then-mean") -> np.ndarray:
    score = slow_site_ranks(table, name, "min", "penalty").mean(axis=(0, 1))
    return stats.rankdata(np.round(score, 9), method="min")


@FEW
@given(table=tables(missing=False), seed=st.integers(0, 1000))
def test_each_resample_is_ranked_as_a_table_of_its_own(table: CaseTable, seed: int) -> None:
    found = bootstrap(scheme(), table, None, seeded(seed), 7)

    draws = drawn(table, 0, 7, seeded(seed))
    for resample in range(7):
        sites = [
            (site, np.repeat(np.arange(counts.shape[1]), counts[slot]).tolist())
            for site, (owners, counts) in enumerate(zip(draws.owners, draws.counts, strict=True))
            for slot in np.flatnonzero(owners == resample)
        ]
        assert len(sites) == len(table.case_sites)
        assert [len(cases) for _, cases in sites] == [np.diff(table.starts)[site] for site, _ in sites]
        assert found.ranks[resample].tolist() == slow_ranks(resampled(table, sites)).tolist()


def test_probabilities_are_those_of_the_exact_enumeration() -> None:
    values = np.array(
        [[[0.7, 4], [0.2, 9], [0.8, 5]], [[0.5, 5], [0.9, 3], [0.1, 8]], [[0.6, 3], [0.3, 3], [0.6, 5]]]
    )
    table = array_table(values, [1, 2])
    point = slow_ranks(table)
    choices = {0: [[0]], 1: [list(pair) for pair in product((0, 1), repeat=2)]}
    first, taus, weights, ranks = [], [], [], []
    for pair in product((0, 1), repeat=2):
        ways = list(product(*(choices[site] for site in pair)))
        for cases in ways:
            own = slow_ranks(resampled(table, list(zip(pair, cases, strict=True))))
            best = own == own.min()
            first.append(best / best.sum())
            tau = stats.kendalltau(own, point).statistic
            taus.append(0.0 if np.isnan(tau) else tau)
            weights.append(1 / 4 / len(ways))
            ranks.append(own)
    expected = np.average(first, axis=0, weights=weights)
    assert expected.min() > 0 and expected.sum() == pytest.approx(1)

    found = bootstrap(scheme(), table, None, seeded(5), 20_000)

    assert found.p_first == pytest.approx(expected, abs=0.015)  # four standard errors
    assert found.tau == pytest.approx(np.average(taus, weights=weights), abs=0.02)
    order = np.argsort([rank[0] for rank in ranks], kind="stable")
    mass = np.cumsum(np.array(weights)[order])
    sure = [ranks[index][0] for index in order]
    assert found.rank_low[0] == sure[int(np.searchsorted(mass, 0.025))]
    assert found.rank_high[0] == sure[int(np.searchsorted(mass, 0.975))]


def test_the_interval_is_the_central_share_of_the_resamples() -> None:
    ranks = np.tile([[1.0, 2.0]], (1000, 1))
    ranks[:25] = [2, 1]

    found = summarised(("a", "b"), ranks, np.array([1.0, 2.0]), 0.95)

    assert (found.rank_low.tolist(), found.rank_high.tolist()) == ([1, 1], [1, 2])
    assert found.p_first.tolist() == [0.975, 0.025]
    assert found.before.tolist() == [[0.5, 0.975], [0.025, 0.5]]
    assert found.tau == pytest.approx(0.95) and (found.tau_low, found.tau_high) == (-1, 1)
    ranks[25] = [2, 1]
    assert summarised(("a", "b"), ranks, np.array([1.0, 2.0]), 0.95).rank_high.tolist() == [2, 2]


def test_the_interval_reaches_to_the_rank_itself() -> None:
    found = summarised(("a", "b"), np.array([[2.0, 1.0]] * 10), np.array([1.0, 2.0]), 0.95)

    assert (found.rank_low.tolist(), found.rank_high.tolist()) == ([1, 1], [2, 2])


@pytest.mark.parametrize("name", NAMES)
@FEW
@given(table=tables(missing=False), ties=st.sampled_from(["min", "average"]))
def test_equal_submissions_share_all_chances(name: str, table: CaseTable, ties: str) -> None:
    twins = array_table(
        np.concatenate([table.values, table.values[:1]]), np.diff(table.starts).tolist(), table.metrics
    )
    speed = dict.fromkeys(twins.submissions, 0.5)

    found = bootstrap(scheme(name, ties), twins, speed, seeded(1), 40)

    assert found.p_first[0] == found.p_first[-1]
    assert found.p_first.sum() == pytest.approx(1)
    assert found.before[0, -1] == found.before[-1, 0] == 0.5
    assert (found.rank_low[0], found.rank_high[0]) == (found.rank_low[-1], found.rank_high[-1])
    assert found.before + found.before.T == pytest.approx(1.0)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "test-based"])
@FEW
@given(table=tables(missing=False))
def test_who_is_better_on_every_case_is_surely_first(name: str, table: CaseTable) -> None:
    values = table.values.copy()
    values[0] = [9.0, -9.0]
    better = array_table(values, np.diff(table.starts).tolist())

    found = bootstrap(
        scheme(name), better, dict.fromkeys(better.submissions, 0.5) | {"m00": 0.6}, seeded(2), 60
    )

    assert (found.rank_low[0], found.rank_high[0], found.p_first[0]) == (1, 1, 1)
    assert found.p_first[1:].tolist() == [0.0] * (len(better.submissions) - 1)


@FEW
@given(table=tables(), seed=st.integers(0, 100))
def test_a_seed_repeats_and_the_first_resamples_do_not_depend_on_their_number(
    table: CaseTable, seed: int
) -> None:
    found = [bootstrap(scheme(), table, None, seeded(seed), count) for count in (130, 130, 1100)]

    assert np.array_equal(found[0].ranks, found[1].ranks)
    assert np.array_equal(found[0].ranks, found[2].ranks[:130])
    assert found[0].tau == found[1].tau


def test_another_seed_gives_other_resamples() -> None:
    table = array_table(np.random.default_rng(0).random((4, 30, 2)), [10, 10, 10])

    found = [bootstrap(scheme(), table, None, seeded(seed), 50).ranks for seed in (1, 2)]

    assert not np.array_equal(found[0], found[1])


def test_sites_are_drawn_and_not_cases_alone() -> None:
    # One site decides: without drawing sites the order could never turn.
    values = np.array([[[0.9, 1]] * 3 + [[0.1, 9]], [[0.5, 5]] * 4])
    table = array_table(values, [3, 1])

    found = bootstrap(scheme(), table, None, seeded(3), 4000)

    # Both drawn sites are the first with 1/4, both the second with 1/4, else the two are tied.
    assert found.p_first == pytest.approx([0.5, 0.5], abs=0.03)
    assert found.before[0, 1] == pytest.approx(0.5, abs=0.03)
    assert (found.ranks[:, 0] == found.ranks[:, 1]).mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("resamples", [0, 100_001])
def test_a_number_of_resamples_out_of_range_is_refused(resamples: int) -> None:
    with pytest.raises(TableError, match="choose 1 to 100000"):
        bootstrap(scheme(), array_table([[[0.5, 1]]], [1]), None, seeded(0), resamples)


@pytest.mark.parametrize("cells", ["drop-site", "worst-rank", "pairwise"])
def test_missing_cells_follow_their_rule_in_every_resample(cells: str) -> None:
    values = np.random.default_rng(1).random((3, 6, 2))
    values[2] = [2.0, 0.0]
    listed = np.ones((3, 6), bool)
    listed[2, 4:] = False
    values[2, 4:] = np.nan
    table = array_table(values, [2, 2, 2], listed=listed)

    found = bootstrap(scheme(cells=cells), table, None, seeded(1), 500)

    assert found.p_first.sum() == pytest.approx(1)
    if cells == "worst-rank":  # last at a site, first at two: two of three draws may hit the gap
        assert 0.2 < found.p_first[2] < 1
    else:  # without a common site it is not ranked, one draw in 27 under pairwise
        assert found.p_first[2] == pytest.approx(1 if cells == "drop-site" else 26 / 27, abs=0.03)
