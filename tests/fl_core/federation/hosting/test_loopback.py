"""A federation on loopback: the bytes of the local executor, hosts that die, errors, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_core.collaborator.settings import CollaboratorSettings, OptTreatment, TaskSpec
from fl_core.errors import InputError, WorkerError
from fl_core.executor.base import Executor, SiteJob, SiteReport, WorkerSetup
from fl_core.executor.local import LocalExecutor
from fl_core.federation.hosting.loopback import HostedExecutor, hosted_sites
from fl_core.tensors import Array
from fl_core.tensors.digest import digest

PLAN = "sha256:" + "0" * 64
TASKS = {"validate": TaskSpec("validate"), "train": TaskSpec("train")}
SITES = ("a", "b", "c")
RUNNER: dict[str, Any] = {
    "shapes": {"w": [2, 3], "b": [300]},
    "sites": {"a": [5, 2], "b": [3, 1], "c": [4, 2]},
}
MODEL: dict[str, Array] = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
    "b": np.linspace(0, 1, 300, dtype=np.float32),
}


def _setup(source: str = "fl_core.task_runner.plus_one:open_source", **settings: Any) -> WorkerSetup:
    collaborator = CollaboratorSettings(TASKS, 3, OptTreatment.CONTINUE_LOCAL, False)
    return WorkerSetup(source, {**RUNNER, **settings}, collaborator)


@contextmanager
def _hosted(folder: Path, setup: WorkerSetup, hosts: int = 2, **values: Any) -> Iterator[HostedExecutor]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with hosted_sites(
        setup,
        {"a": 5, "b": 3, "c": 4},
        hosts,
        folder / "federation",
        plan=PLAN,
        environment=environment,
        **values,
    ) as executor:
        yield executor


def _rounds(executor: Executor, rounds: int = 3) -> list[tuple[Any, ...]]:
    """Rounds of all sites; what was trained goes on, so does what the sites keep."""
    model: dict[str, Array] = dict(MODEL)
    states: dict[str, Any] = {name: {} for name in SITES}
    seen: list[tuple[Any, ...]] = []
    for round in range(rounds):
        jobs = [
            SiteJob(
                name,
                round,
                ("validate", "train", "validate"),
                {"validate": {"rows": True, "rate": np.float32(0.1)}},
                {"control": np.full(3, 0.5)},
                states[name],
                ("b",) if name == "a" else (),
            )
            for name in SITES
        ]
        reports = sorted(executor.run(model, jobs), key=lambda report: report.site)
        for report in reports:
            states[report.site] = report.local_state
            seen.append((report.site, report.reports, digest(report.tensors), digest(report.local_state)))
        model = {name: reports[1].tensors[name] for name in model}
    return seen


@pytest.fixture(scope="module")
def expected() -> list[tuple[Any, ...]]:
    with LocalExecutor(_setup(), 1) as local:
        return _rounds(local)


@pytest.mark.parametrize("hosts", [1, 3])
def test_reports_are_those_of_the_local_executor(
    tmp_path: Path, expected: list[tuple[Any, ...]], hosts: int
) -> None:
    with _hosted(tmp_path, _setup(), hosts) as executor:
        assert len(executor.pids) == hosts
        assert _rounds(executor) == expected


SLOW_SOURCE = """
import os, signal, time
from pathlib import Path
from fl_core.task_runner import plus_one

class Source:
    def __init__(self, settings):
        self.inner = plus_one.open_source({n: v for n, v in settings.items() if n not in ("mark", "fatal")})
        self.mark, self.fatal = Path(settings["mark"]), settings["fatal"]

    def open(self, site):
        if site == "b" and (self.fatal or not self.mark.exists()):
            self.mark.write_text("here")
            os.kill(os.getpid(), signal.SIGKILL)
        return self.inner.open(site)

def open_source(settings):
    return Source(settings)

def broken(settings):
    from fl_core.errors import InputError
    raise InputError("the data of these sites cannot be read")

def dies(settings):
    os._exit(7)

class Failing:
    def open(self, site):
        raise ValueError("no such tensor")

def failing(settings):
    return Failing()
"""


def _own(folder: Path, function: str, **settings: Any) -> WorkerSetup:
    (folder / "own_source.py").write_text(SLOW_SOURCE)
    return _setup(f"own_source:{function}", mark=str(folder / "mark"), **settings)


def test_a_host_that_dies_at_work_is_replaced_and_its_sites_rejoin(
    tmp_path: Path, expected: list[tuple[Any, ...]]
) -> None:
    with _hosted(tmp_path, _own(tmp_path, "open_source", fatal=False)) as executor:
        before = executor.pids
        found = _rounds(executor)
        after = executor.pids
    assert (tmp_path / "mark").exists()
    assert len(set(before) & set(after)) == 1, "one of two hosts was replaced"
    assert found == expected


def test_hosts_killed_before_and_during_rounds_change_no_byte(
    tmp_path: Path, expected: list[tuple[Any, ...]]
) -> None:
    stop = threading.Event()

    def kill_one_after_the_other(executor: HostedExecutor) -> None:
        for index in (1, 0):  # each host once, so that no job dies twice
            if not stop.wait(1.2):
                os.kill(executor.pids[index], signal.SIGKILL)

    with _hosted(tmp_path, _setup(pause_s=0.4)) as executor:
        before = executor.pids
        os.kill(before[0], signal.SIGKILL)
        killer = threading.Thread(target=kill_one_after_the_other, args=(executor,))
        killer.start()
        try:
            assert _rounds(executor) == expected
        finally:
            stop.set()
            killer.join()
        assert not set(before) & set(executor.pids)


def test_a_host_that_dies_twice_on_the_same_job_is_an_error_that_names_it(tmp_path: Path) -> None:
    with (
        _hosted(tmp_path, _own(tmp_path, "open_source", fatal=True)) as executor,
        pytest.raises(WorkerError, match=r"site b failed 2 times in round 0: .*signal SIGKILL"),
    ):
        _rounds(executor)


@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        ("broken", InputError, "the data of these sites cannot be read"),
        ("dies", WorkerError, "2 hosts in a row ended .exit code 7. before they were ready"),
        ("failing", WorkerError, r"site ., round 0: ValueError: no such tensor; the traceback"),
    ],
)
def test_an_error_of_the_work_is_raised_here(
    tmp_path: Path, function: str, kind: type[Exception], message: str
) -> None:
    with (
        _hosted(tmp_path, _own(tmp_path, function)) as executor,
        pytest.raises(kind, match=message) as caught,
    ):
        _rounds(executor)
    assert type(caught.value) is kind


def test_a_name_that_no_certificate_can_bear_is_refused_at_once(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"'St\. Mary' is no name .* rename it"),
        hosted_sites(_setup(), {"St. Mary": 1}, 1, tmp_path, plan=PLAN),
    ):
        pass


def test_no_key_is_on_the_disk_or_on_a_command_line(tmp_path: Path) -> None:
    with _hosted(tmp_path, _setup()) as executor:
        _rounds(executor, 1)
        for pid in executor.pids:
            for name in ("cmdline", "environ"):
                content = Path(f"/proc/{pid}/{name}").read_bytes()
                assert b"PRIVATE KEY" not in content
        for path in tmp_path.rglob("*"):
            assert not path.is_file() or b"PRIVATE KEY" not in path.read_bytes(), path


ORPHANS = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_loopback import _hosted, _rounds, _setup
with _hosted(Path(sys.argv[1]), _setup()) as executor:
    _rounds(executor, 1)
    print(*executor.pids, flush=True)
    time.sleep(60)
"""


def test_hosts_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    words = [sys.executable, "-c", ORPHANS, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(text) for text in process.stdout.readline().split()]
        assert len(pids) == 2 and all(map(_runs, pids))
        process.kill()
    until = time.monotonic() + 20
    while any(map(_runs, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(map(_runs, pids))


def _runs(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_a_run_that_is_not_read_to_its_end_takes_its_work_back(tmp_path: Path) -> None:
    jobs = [SiteJob(name, 0, ("train",)) for name in SITES]
    with _hosted(tmp_path, _setup()) as executor:
        reports = executor.run(MODEL, jobs)
        first: SiteReport = next(reports)
        reports.close()  # type: ignore[attr-defined]
        again = sorted(executor.run(MODEL, jobs), key=lambda report: report.site)
    assert [report.site for report in again] == list(SITES)
    assert digest(again[SITES.index(first.site)].tensors) == digest(first.tensors)
