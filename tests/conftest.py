"""Fixtures that every test may use: nothing outside temporary folders is read or written."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

NOTHING_MISSING = "TESTS_MAY_MISS_NOTHING"
"""Environment variable: if it is 1, a test that would skip for want of a program or package fails instead."""
THIS_MACHINE = "this machine"
"""Begins the reason of a skip that no installation could mend (its system, its disk)."""


def _missing(report: pytest.TestReport | pytest.CollectReport) -> bool:
    if os.environ.get(NOTHING_MISSING) != "1" or not report.skipped or hasattr(report, "wasxfail"):
        return False
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return not reason.removeprefix("Skipped: ").startswith(THIS_MACHINE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _missing(report):
        report.outcome, report.longrepr = "failed", f"{NOTHING_MISSING}=1, but it skipped: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if _missing(report):
        report.outcome, report.longrepr = "failed", f"{NOTHING_MISSING}=1, but it skipped: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def challenge_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keys and caches of the tests, away from the user's own."""
    home = tmp_path_factory.mktemp("home")
    before = os.environ.get("CHALLENGE_HOME")
    os.environ["CHALLENGE_HOME"] = str(home)
    yield home
    if before is None:
        del os.environ["CHALLENGE_HOME"]
    else:
        os.environ["CHALLENGE_HOME"] = before


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of real NIfTI files: the tiny phantom, three institutions."""
    from partitions.phantom.federation import TINY, TINY_SPACING_MM
    from partitions.phantom.write import write_phantom

    folder = tmp_path_factory.mktemp("tiny") / "data"
    write_phantom(folder, institutions=TINY, spacing_mm=TINY_SPACING_MM)
    return folder
