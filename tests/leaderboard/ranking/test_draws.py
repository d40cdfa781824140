"""Many resamples at once give what each would give as a table of its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_tables import array_table, tables, without_cells

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.ranking.base import Scheme
from leaderboard.ranking.draws import Draws, as_it_is, leave_one_site_out, two_level
from leaderboard.ranking.registry import OPEN, PUBLISHED, SCHEMES, Options, make_scheme

FEW = settings(max_examples=15, deadline=None)


def scheme(name: str, cells: str) -> Scheme:
    assert cells in ("worst-rank", "pairwise")
    chosen = "worst-rank" if cells == "worst-rank" else "pairwise"
    if name in PUBLISHED:
        return make_scheme(name, Options(cells=chosen))
    return make_scheme(name, Options(chosen, "average", "penalty", "as-scored"))


def written_out(table: CaseTable, draws: Draws, resample: int) -> CaseTable:
    """The resample as a table: each slot a site, each drawn case as often as it was drawn."""
    columns: list[int] = []
    sizes = []
    for site, owners in enumerate(draws.owners):
        for slot in np.flatnonzero(owners == resample):
            counts = draws.counts[site][min(slot, len(draws.counts[site]) - 1)]
            drawn = np.repeat(np.arange(table.starts[site], table.starts[site + 1]), counts)
            columns += drawn.tolist()
            sizes.append(len(drawn))
    return array_table(table.values[:, columns], sizes, table.metrics, table.listed[:, columns])


@pytest.mark.parametrize("cells", ["worst-rank", "pairwise"])
@pytest.mark.parametrize("name", SCHEMES)
@FEW
@given(table=tables(), seed=st.integers(0, 99))
def test_a_resample_is_ranked_as_the_table_it_stands_for(
    name: str, cells: str, table: CaseTable, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    gone = rng.random(table.evaluated.shape) < 0.3
    gone[0] = False
    table = without_cells(table, gone)
    speed = {m: 0.5 for m in table.submissions}
    draws = two_level(table, 3, rng)

    found = scheme(name, cells).rank_draws(table, speed, draws)

    for resample in range(3):
        alone = scheme(name, cells).rank(written_out(table, draws, resample), speed)
        np.testing.assert_allclose(found.scores[resample], alone.scores, rtol=0, atol=1e-9)
        if name != "fets2022-task1":
            assert found.ranks[resample].tolist() == alone.ranks.tolist()


@pytest.mark.parametrize("name", OPEN)
def test_sums_beyond_small_integers_are_the_same(name: str) -> None:
    rng = np.random.default_rng(5)
    base = rng.integers(0, 9, (1, 700, 2))
    values = (base + rng.integers(-3, 4, (4, 700, 2)) + 0.5 * np.arange(4)[:, None, None] * [1, -1]) / 8
    table = array_table(values, [300, 400])
    draws = two_level(table, 4, np.random.default_rng(1))

    found = scheme(name, "worst-rank").rank_draws(table, None, draws)

    for resample in range(4):
        alone = scheme(name, "worst-rank").rank(written_out(table, draws, resample), None)
        assert found.scores[resample].tolist() == pytest.approx(alone.scores.tolist())


@pytest.mark.parametrize("name", SCHEMES)
def test_leaving_a_site_out_is_ranking_the_others(name: str) -> None:
    rng = np.random.default_rng(2)
    table = array_table(rng.integers(0, 9, (4, 9, 2)) / 8, [2, 3, 4])
    speed = {m: float(i) for i, m in enumerate(table.submissions)}

    found = scheme(name, "worst-rank").rank_draws(table, speed, leave_one_site_out(table))

    for left_out, site in enumerate(table.sites):
        others = table.of_sites([s for s in table.sites if s != site])
        alone = scheme(name, "worst-rank").rank(others, speed)
        assert found.scores[left_out].tolist() == alone.scores.tolist()
        assert found.ranks[left_out].tolist() == alone.ranks.tolist()


def test_the_only_site_cannot_be_left_out() -> None:
    with pytest.raises(TableError, match="only one"):
        leave_one_site_out(array_table(np.zeros((2, 2, 2)), [2]))


def test_two_levels_draw_as_many_sites_and_cases_and_the_seed_decides() -> None:
    table = array_table(np.zeros((2, 9, 2)), [2, 3, 4])

    draws = two_level(table, 500, np.random.default_rng(7))
    again = two_level(table, 500, np.random.default_rng(7))

    slots = np.sum([np.bincount(owners, minlength=500) for owners in draws.owners], axis=0)
    assert (slots == 3).all()
    for site, counts in enumerate(draws.counts):
        assert counts.shape == (len(draws.owners[site]), site + 2)
        assert (counts.sum(axis=1) == site + 2).all()
        assert (np.diff(draws.owners[site]) >= 0).all()
        assert counts.mean(axis=0) == pytest.approx(np.ones(site + 2), abs=0.15)
        assert (counts == again.counts[site]).all()
    assert as_it_is(table).resamples == 1
