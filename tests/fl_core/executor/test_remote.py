"""The remote executor against the local one: the same bytes; failures and lost sites are errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_sites import BoardSite, Change, connected

from fl_core.collaborator.loop import Collaborator
from fl_core.collaborator.settings import CollaboratorSettings, OptTreatment, TaskSpec
from fl_core.compression.exchange import Exchange
from fl_core.compression.executor import CompressedExecutor
from fl_core.compression.fp16 import Float16
from fl_core.compression.ternary import Ternary
from fl_core.errors import WorkerError
from fl_core.executor.base import Executor, SiteJob, SiteReport, WorkerSetup
from fl_core.executor.local import LocalExecutor
from fl_core.executor.remote import RemoteExecutor
from fl_core.task_runner.plus_one import open_source
from fl_core.tensors import Array
from fl_core.tensors.digest import digest
from fl_core.transport.board import Board, Refusal
from fl_core.transport.messages import Release, Work
from fl_core.transport.spool import Spool

TASKS = {"validate": TaskSpec("validate"), "train": TaskSpec("train")}
RUNNER: dict[str, Any] = {"shapes": {"w": [2, 3], "b": [300]}, "sites": {"a": [5, 2], "b": [3, 1]}}
MODEL: dict[str, Array] = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
    "b": np.linspace(0, 1, 300, dtype=np.float32),
}


def _setup(treatment: OptTreatment = OptTreatment.RESET, delta: bool = False) -> WorkerSetup:
    collaborator = CollaboratorSettings(TASKS, 3, treatment, delta)
    return WorkerSetup("fl_core.task_runner.plus_one:open_source", RUNNER, collaborator)


@contextmanager
def _remote(
    folder: Path,
    setup: WorkerSetup,
    *,
    exchange: Exchange | None = None,
    changes: Mapping[str, Change] | None = None,
    shares: bool = False,
    **values: Any,
) -> Iterator[RemoteExecutor]:
    board, spool = Board(), Spool(folder / "spool")
    exchange = exchange or Exchange(3, delta_updates=setup.collaborator.delta_updates)
    source = open_source(setup.settings)
    sites = [
        BoardSite(
            Collaborator(name, source.open(name), setup.collaborator),
            exchange,
            folder / name,
            change=(changes or {}).get(name, lambda work, report: report),
            shares_local_state=shares,
        )
        for name in ("a", "b")
    ]
    executor = RemoteExecutor(
        board, spool, folder / "served", name="run", exchange=exchange, poll_s=0.01, **values
    )
    with executor, connected(board, spool, sites):
        yield executor
    assert [site.error for site in sites] == [None, None]
    assert not list((folder / "spool").glob("*/*"))
    assert not list((folder / "served").iterdir())


def _rounds(executor: Executor, delta: bool) -> list[tuple[Any, ...]]:
    """Three rounds of two sites; what was trained goes on, so does what the sites keep."""
    model: dict[str, Array] = dict(MODEL)
    states: dict[str, Mapping[str, Array]] = {"a": {}, "b": {}}
    seen: list[tuple[Any, ...]] = []
    for round in range(3):
        extras = {"optimizer/steps": np.array([7], np.int64)}
        jobs = [
            SiteJob(
                name,
                round,
                ("validate", "train", "validate"),
                {"validate": {"rows": True, "rate": np.float32(0.1)}},
                extras,
                states[name],
                ("b",) if name == "a" else (),
            )
            for name in ("a", "b")
        ]
        reports = sorted(executor.run(model, jobs), key=lambda report: report.site)
        for report in reports:
            states[report.site] = report.local_state
            seen.append((report.reports, digest(report.tensors), digest(report.local_state)))
        first = {name: array for name, array in reports[0].tensors.items() if name in model}
        model = (
            {n: np.add(model[n], array, dtype=array.dtype) for n, array in first.items()} if delta else first
        )
    return seen


@pytest.mark.parametrize("treatment", list(OptTreatment))
@pytest.mark.parametrize("delta", [False, True])
def test_reports_are_those_of_the_local_executor(
    tmp_path: Path, treatment: OptTreatment, delta: bool
) -> None:
    setup = _setup(treatment, delta)
    with LocalExecutor(setup, 1) as local:
        expected = _rounds(local, delta)
    with _remote(tmp_path, setup, holds_local_state=True, shares=True) as remote:
        assert _rounds(remote, delta) == expected


def test_compression_has_the_bytes_of_the_compressed_executor(tmp_path: Path) -> None:
    setup = _setup(delta=True)
    exchange = Exchange(3, Ternary(dim_threshold=100), Float16(dim_threshold=100), delta_updates=True)
    with LocalExecutor(setup, 1) as local:
        expected = _rounds(CompressedExecutor(local, exchange), True)
    with _remote(tmp_path, setup, exchange=exchange, holds_local_state=True, shares=True) as remote:
        assert _rounds(remote, True) == expected


def test_several_jobs_of_a_site_are_done_one_after_the_other(tmp_path: Path) -> None:
    jobs = [
        SiteJob("a", 0, ("train",)),
        SiteJob("a", 0, ("validate",)),
        SiteJob("b", 0, ("validate",), cost=2),
    ]
    with _remote(tmp_path, _setup()) as remote:
        reports = list(remote.run(MODEL, jobs))
    assert sorted((r.site, r.reports[0].task) for r in reports) == [
        ("a", "train"),
        ("a", "validate"),
        ("b", "validate"),
    ]


def _fails(times: int) -> tuple[Change, list[str]]:
    """Return a change by which the first reports cannot be read, and the keys that were asked for."""
    keys: list[str] = []

    def change(work: Work, report: SiteReport) -> SiteReport:
        keys.append(work.key)
        return replace(report, reports=()) if len(keys) <= times else report

    return change, keys


def test_a_job_that_failed_once_is_given_to_its_site_again(tmp_path: Path) -> None:
    change, keys = _fails(1)
    with _remote(tmp_path, _setup(), changes={"a": change}) as remote:
        [report] = remote.run(MODEL, [SiteJob("a", 0, ("train",))])
    assert report.tensors["w"].tolist() == np.add(MODEL["w"], np.float32(1)).tolist()
    assert len(set(keys)) == 2


def test_a_job_that_failed_twice_is_an_error_that_names_site_and_reason(tmp_path: Path) -> None:
    change, _ = _fails(2)
    with (
        _remote(tmp_path, _setup(), changes={"a": change}) as remote,
        pytest.raises(WorkerError, match="site a failed 2 times in round 4: results of the tasks none"),
    ):
        list(remote.run(MODEL, [SiteJob("a", 4, ("train",))]))


def test_a_site_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with (
        _remote(tmp_path, _setup(), lost_after_s=0.1) as remote,
        pytest.raises(WorkerError, match=r"c: not connected for 0\.1 s"),
    ):
        list(remote.run(MODEL, [SiteJob("a", 0, ("train",)), SiteJob("c", 0, ("train",))]))


def test_a_state_that_the_site_keeps_to_itself_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with (
        _remote(tmp_path, _setup(), holds_local_state=True) as remote,
        pytest.raises(WorkerError, match="shares_local_state"),
    ):
        list(remote.run(MODEL, [SiteJob("a", 0, ("train",))]))


def test_a_run_that_is_not_read_to_its_end_takes_its_work_back(tmp_path: Path) -> None:
    with _remote(tmp_path, _setup()) as remote:
        reports = remote.run(MODEL, [SiteJob(name, 0, ("train",)) for name in ("a", "b")])
        next(reports)
        reports.close()  # type: ignore[attr-defined]
        again = list(remote.run(MODEL, [SiteJob(name, 1, ("train",)) for name in ("a", "b")]))
    assert sorted(report.site for report in again) == ["a", "b"]


def test_sites_are_told_what_will_not_be_asked_for_again(tmp_path: Path) -> None:
    board = Board()
    executor = RemoteExecutor(board, Spool(tmp_path / "spool"), tmp_path / "served", name="run")
    executor.release(3)
    assert next(board.follow("a", 0.1)) == Release(3)


def test_work_is_taken_back_when_a_run_ends_with_an_error(tmp_path: Path) -> None:
    board = Board()
    executor = RemoteExecutor(
        board, Spool(tmp_path / "spool"), tmp_path / "served", name="run", lost_after_s=0.05, poll_s=0.01
    )
    with pytest.raises(WorkerError, match="not connected"):
        list(executor.run(MODEL, [SiteJob("a", 0, ("train",))]))
    with pytest.raises(Refusal, match="has no work"):
        board.expects_blobs("a")
