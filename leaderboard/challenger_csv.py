"""Export for challengeR, the R package that analyses challenges (Wiesenfarth et al. 2021, Sci Rep 11:2369).

Its ``as.challenge`` takes a table with a row per task, algorithm and case, and one direction for all
values (``smallBetter``). So metrics where higher is better and those where lower is better make two tables.
A task is a metric at a site, as in the FeTS challenge; a case that a submission lacks is ``NA``, for
challengeR needs every algorithm on every case and is told by ``na.treat`` what a missing one means.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from leaderboard.cases import CaseTable
from leaderboard.metric_direction import lower_is_better
from leaderboard.ranking.base import Better

HEADER = ("task", "algorithm", "case", "value")


def challenger_rows(table: CaseTable, better: Better) -> Iterator[tuple[str, str, str, str]]:
    """Yield the rows of `HEADER` for the metrics of one direction; none if there is no such metric.

    Rows are ordered by site, metric, case and submission. Sites that gave a summary have no case values
    and are left out.

    Args:
        table: Penalised cases have their penalty values.
        better: ``higher`` (Dice and the like) or ``lower`` (HD95).
    """
    for place, site in enumerate(table.case_sites):
        cases = table.cases_of(place)
        for column, metric in enumerate(table.metrics):
            if lower_is_better(metric) != (better == "lower"):
                continue
            values = table.values[:, cases, column]
            for case, (_, name) in enumerate(table.cases[cases]):
                for row, submission in enumerate(table.submissions):
                    value = float(values[row, case])
                    yield f"{site} {metric}", submission, name, "NA" if np.isnan(value) else repr(value)
