"""Tables to rank, made of arrays, and a slow ranking to compare with: loops, pandas and scipy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from scipy import stats

from leaderboard.cases import CaseTable
from leaderboard.metric_direction import lower_is_better

METRICS = ("dice_wt", "hd95_wt")


def array_table(
    values: npt.ArrayLike,
    sizes: Sequence[int],
    metrics: Sequence[str] = METRICS,
    listed: npt.ArrayLike | None = None,
    penalised: npt.ArrayLike | None = None,
) -> CaseTable:
    """Table of values (submission, case, metric); the cases belong to sites of these sizes in turn."""
    array = np.array(values, np.float64)
    cases = tuple((f"s{i:03d}", f"c{j:04d}") for i, size in enumerate(sizes) for j in range(size))
    assert array.shape == (len(array), len(cases), len(metrics))
    return CaseTable(
        tuple(f"m{i:02d}" for i in range(len(array))),
        tuple(metrics),
        tuple(f"s{i:03d}" for i in range(len(sizes))),
        cases,
        np.cumsum([0, *sizes]),
        array,
        np.ones(array.shape[:2], np.bool_) if listed is None else np.array(listed, np.bool_),
        np.zeros(array.shape[:2]) if penalised is None else np.array(penalised, np.float64),
    )


@st.composite
def tables(draw: st.DrawFn, *, missing: bool = True, most: int = 5) -> CaseTable:
    """Small tables with many ties; with single missing values, if asked, but no missing cell."""
    names = draw(st.integers(2, most))
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.integers(0, draw(st.integers(1, 5)), (names, sum(sizes), len(METRICS))) / 4
    if missing:
        values[rng.random(values.shape) < draw(st.sampled_from([0, 0.2, 0.7]))] = np.nan
    return array_table(values, sizes)


def without_cells(table: CaseTable, cells: npt.NDArray[np.bool_]) -> CaseTable:
    """The same table without the rows of some (submission, site) cells."""
    gone = np.repeat(cells, np.diff(table.starts), axis=1)
    values = np.where(gone[:, :, np.newaxis], np.nan, table.values)
    sizes = np.diff(table.starts).tolist()
    return array_table(values, sizes, table.metrics, ~gone)


def slow_site_ranks(table: CaseTable, scheme: str, ties: str, missing: str) -> npt.NDArray[np.float64]:
    """R[site, metric, submission] of a table without missing cells, one site and metric at a time."""
    found = np.empty((len(table.case_sites), len(table.metrics), len(table.submissions)))
    for site in range(len(table.case_sites)):
        for index, metric in enumerate(table.metrics):
            values = table.values[:, table.starts[site] : table.starts[site + 1], index]
            lower = lower_is_better(metric)
            if missing == "penalty":
                values = np.where(np.isnan(values), 1000.0 if lower else 0.0, values)
            values = np.where(np.isnan(values), np.inf, values if lower else -values)
            found[site, index] = stats.rankdata(slow_costs(values, scheme, ties), method=ties)
    return found


def slow_costs(values: npt.NDArray[np.float64], scheme: str, ties: str) -> npt.NDArray[np.float64]:
    if scheme == "test-based":
        wins = np.zeros(len(values))
        for a in range(len(values)):
            for b in range(len(values)):
                if a != b and (values[a] != values[b]).any():
                    test = stats.wilcoxon(
                        values[a],
                        values[b],
                        alternative="less",
                        zero_method="wilcox",
                        correction=True,
                        method="asymptotic",
                    )
                    wins[a] += test.pvalue <= 0.05
        return -wins
    if scheme.startswith("rank"):
        values = np.array([stats.rankdata(column, method=ties) for column in values.T]).T
    take = np.mean if scheme.endswith("mean") else np.median
    return np.round(take(values, axis=1), 9)
