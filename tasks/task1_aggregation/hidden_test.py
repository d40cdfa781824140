"""The hidden test: the best model meets cases that nobody trained or validated on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fl_core.executor.base import Executor
from fl_core.tensors import Tensors
from tasks.task1_aggregation.round_work import hidden_test_job
from tasks.task1_aggregation.rows import METRIC_COLUMNS


def meet_hidden_cases(
    executor: Executor,
    model: Tensors,
    round: int,
    sites: Sequence[str],
    submission: str,
    seed: int,
    done: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Return the rows of cases.csv, in the order of site and case.

    Args:
        executor: Does the sites' work.
        model: The best model.
        round: The round that it was the global model of; only for the job.
        sites: Who has hidden cases.
        submission: For the column of that name.
        seed: For the column of that name.
        done: Told which site is done.
    """
    rows: list[dict[str, Any]] = []
    for report in executor.run(model, [hidden_test_job(site, round) for site in sites]):
        done(report.site)
        for task in report.reports:
            rows += [_row(submission, seed, report.site, measured) for measured in task.rows]
    return sorted(rows, key=lambda row: (row["site"], row["case"]))


def _row(submission: str, seed: int, site: str, measured: Mapping[str, Any]) -> dict[str, Any]:
    values = {column: float(measured[column]) for column in METRIC_COLUMNS}
    head = {"submission": submission, "seed": seed, "site": site, "case": str(measured["case"])}
    return {**head, "status": "ok", **values}
