"""A package from a path, on cases of a data folder, in a process of its own: what a site runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from challenge.scoring.case_score import CaseScore
from challenge.task2.package_host import PackageHost
from challenge.task2.package_limits import PackageLimits
from partitions.case import Case
from partitions.reader import read_case
from tasks.segmentation.metrics.surface import Definition
from tasks.task2_evaluation.evaluate import CaseResult, evaluate
from tasks.task2_evaluation.failure import failure_report
from tasks.task2_evaluation.package import Package


def evaluate_package(
    package: Package,
    cases: Sequence[Case],
    *,
    log: Path,
    limits: PackageLimits | None = None,
    seed: int = 0,
    definition: Definition = "pooled",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[CaseResult]:
    """Evaluate a package on cases, in the order given; the process and its files are gone afterwards.

    Args:
        package: The package, opened.
        cases: Cases with labels.
        log: Where what the package prints goes.
        limits: What it may use.
        seed: Of the process's global generators.
        definition: Of HD95.
        progress: Called with (cases done, cases in all).

    Returns:
        A result for every case.
    """
    limits = limits or PackageLimits()
    results: list[CaseResult] = []
    with TemporaryDirectory(prefix="package-run-", ignore_cleanup_errors=True) as scratch:
        host = PackageHost(package, scratch=Path(scratch), log=log, limits=limits, seed=seed)
        try:
            for result in evaluate(
                cases, read_case, host, total_s=limits.total_s, now=time.monotonic, definition=definition
            ):
                results.append(result)
                progress(len(results), len(cases))
        finally:
            host.close()
    return results


def case_scores(results: Sequence[CaseResult]) -> list[CaseScore]:
    """Return results as `challenge.scoring.report` writes them: cases.csv and the record beside it."""
    return [
        CaseScore(one.case, one.status, one.values, one.reason, one.at_fault == "site") for one in results
    ]


def report_of(package: Package, results: Sequence[CaseResult]) -> dict[str, Any]:
    """Return the failure report of an evaluation for the participant."""
    failures = [(one.status, one.failure) for one in results if one.failure is not None]
    return failure_report(
        package.digest,
        failures,
        Counter(one.status for one in results),
        max((one.seconds for one in results), default=0.0),
    )
