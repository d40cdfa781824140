"""The significance map against scipy's Wilcoxon test and a Holm adjustment done by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_tables import array_table, tables, without_cells
from scipy import stats

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.significance import holm, paired_p, significance
from leaderboard.site_summary import RankRules

FEW = settings(max_examples=25, deadline=None)
LAST = RankRules("min", "last", "as-scored")
PENALTY = RankRules("min", "penalty", "as-scored")


def slow_p(x: np.ndarray, y: np.ndarray, alternative: str) -> float:
    """p of "x is better"; NaN without a difference."""
    if not len(x) or (x == y).all():
        return np.nan
    test = stats.wilcoxon(
        x, y, alternative=alternative, zero_method="wilcox", correction=True, method="asymptotic"
    )
    return float(test.pvalue)


def slow_holm(values: dict[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    """By the step-down procedure: reject while p <= alpha / (tests left); adjusted is the least alpha."""
    tests = sorted((p, pair) for pair, p in values.items() if not np.isnan(p))
    adjusted, largest = dict.fromkeys(values, 1.0), 0.0
    for number, (p, pair) in enumerate(tests):
        largest = max(largest, min(1.0, p * (len(tests) - number)))
        adjusted[pair] = largest
    return adjusted


@FEW
@given(table=tables(missing=False, most=4))
def test_the_map_is_that_of_scipy_and_of_holm(table: CaseTable) -> None:
    found = significance(table, PENALTY)

    pairs = list(permutations(range(len(table.submissions)), 2))
    wins = np.zeros_like(found.wins_at_sites)
    for metric, side in enumerate(("greater", "less")):
        values = table.values[:, :, metric]
        p = {(a, b): slow_p(values[a], values[b], side) for a, b in pairs}
        adjusted = slow_holm(p)
        for a, b in pairs:
            assert found.p[metric, a, b] == pytest.approx(p[a, b], nan_ok=True, abs=1e-12)
            assert found.p_adjusted[metric, a, b] == pytest.approx(adjusted[a, b], abs=1e-12)
        for site in range(len(table.case_sites)):
            own = values[:, table.cases_of(site)]
            at_site = slow_holm({(a, b): slow_p(own[a], own[b], side) for a, b in pairs})
            for a, b in pairs:
                wins[metric, a, b] += at_site[a, b] <= 0.05
    assert np.array_equal(found.wins_at_sites, wins)
    assert np.array_equal(found.map_of_sites, wins.sum(axis=0))


def test_clear_differences_win_at_every_site_and_over_all_cases() -> None:
    rng = np.random.default_rng(2)
    steps = np.array([0.3, 0.2, 0.1])[:, None, None] * [1, -1]
    table = array_table(rng.random((1, 60, 2)) * 0.1 + steps, [20, 40])

    found = significance(table, LAST)

    assert found.better.sum(axis=0).tolist() == [[0, 2, 2], [0, 0, 2], [0, 0, 0]]
    assert found.map_of_sites.tolist() == [[0, 4, 4], [0, 0, 4], [0, 0, 0]]


def test_few_cases_at_a_site_prove_nothing_but_all_together_do() -> None:
    table = array_table([[[0.6, 1]] * 20, [[0.5, 2]] * 20], [1] * 20)

    found = significance(table, LAST)

    assert found.map_of_sites.tolist() == [[0, 0], [0, 0]]
    assert found.better[:, 0, 1].tolist() == [True, True]


def test_equal_submissions_have_no_test_and_take_none_of_the_level() -> None:
    values = np.random.default_rng(1).random((1, 12, 2)) + np.array([0.0, 0.0, 0.5])[:, None, None] * [1, -1]
    table = array_table(values, [12])

    found = significance(table, LAST)

    assert np.isnan(found.p[:, 0, 1]).all() and (found.p_adjusted[:, 0, 1] == 1).all()
    # Six ordered pairs, four with a test.
    assert found.p_adjusted[0, 2, 0] == pytest.approx(4 * found.p[0, 2, 0])


def test_pairs_are_compared_on_the_sites_that_both_have() -> None:
    table = array_table(np.random.default_rng(3).random((3, 16, 2)), [8, 8])
    gone = np.array([[False, False], [False, True], [True, False]])

    found = significance(without_cells(table, gone), LAST)

    first = table.values[:, :8, 0]
    assert found.p[0, 0, 1] == pytest.approx(slow_p(first[0], first[1], "greater"))
    assert np.isnan(found.p[0, 1, 2]) and found.p_adjusted[0, 1, 2] == 1


def test_a_missing_value_loses_by_more_than_any_other() -> None:
    values = np.array([[[0.9, 1.0]] * 8, [[0.1, 1.0]] * 8])
    values[1, 0, 0] = np.nan
    assert significance(array_table(values, [8]), LAST).p[0, 0, 1] == pytest.approx(
        slow_p(np.array([0.9] * 8), np.array([-9.0] + [0.1] * 7), "greater")
    )
    turned = np.array([[[0.9, 1.0]] * 8, [[0.1, 1.0]] * 8])
    turned[0, 0, 0] = np.nan
    turned[:, 1:, 0] += np.linspace(0, 0.05, 7)  # equal sizes would hide the rank
    turned[1, 1:, 0] -= np.linspace(0, 0.02, 7)
    assert significance(array_table(turned, [8]), LAST).p[0, 0, 1] == pytest.approx(
        slow_p(np.append(-9.0, turned[0, 1:, 0]), np.append(0.1, turned[1, 1:, 0]), "greater")
    )
    values[0, 0, 0] = np.nan  # both missing: no difference
    assert significance(array_table(values, [8]), LAST).p[0, 0, 1] == pytest.approx(
        slow_p(np.array([0.9] * 7), np.array([0.1] * 7), "greater")
    )
    with pytest.raises(TableError, match="are missing"):
        significance(array_table(values, [8]), RankRules("min", "refuse", "as-scored"))


@FEW
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_monotone_and_between_p_and_bonferroni(p: list[float]) -> None:
    adjusted = holm(p)

    assert (adjusted >= p).all() and (adjusted <= 1).all()
    assert (adjusted <= np.minimum(1, len(p) * np.array(p)) + 1e-12).all()
    order = np.argsort(p)
    assert (np.diff(adjusted[order]) >= 0).all()


def test_holm_is_rs() -> None:
    # p.adjust(c(0.01, 0.02, 0.03, 0.04, NA), "holm")
    assert holm([0.01, 0.02, 0.03, 0.04, np.nan])[:4].tolist() == pytest.approx([0.04, 0.06, 0.06, 0.06])


def test_more_pairs_than_fit_at_a_time() -> None:
    costs = np.random.default_rng(0).random((50, 6))

    found = paired_p(costs)

    for a, b in ((0, 1), (48, 49), (49, 48), (25, 3)):
        assert found[a, b] == pytest.approx(slow_p(costs[a], costs[b], "less"))
    assert np.isnan(np.diag(found)).all()
