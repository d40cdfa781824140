from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from fl_core.collaborator.settings import CollaboratorSettings, OptTreatment, TaskSpec
from fl_core.errors import FederationError, InputError, WorkerError
from fl_core.executor.base import SiteJob, SiteReport, WorkerSetup
from fl_core.executor.environment import worker_environment
from fl_core.executor.local import LocalExecutor
from fl_core.executor.protocol import as_received

COLLABORATOR = CollaboratorSettings(
    tasks={
        "global_validation": TaskSpec("validate", settings={"rows": True}),
        "train": TaskSpec("train"),
        "local_validation": TaskSpec("validate", apply="local"),
    },
    seed=3,
    opt_treatment=OptTreatment.CONTINUE_LOCAL,
)
MODEL = {
    "weight": np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4),
    "half": np.arange(5, dtype=np.float16),
    "count": np.array(7, dtype=np.int64),
    "empty": np.zeros((0, 3), np.float32),
}
TASKS = tuple(COLLABORATOR.tasks)


def setup(**settings: object) -> WorkerSetup:
    return WorkerSetup("fl_core.task_runner.plus_one:open_source", settings, COLLABORATOR)


def jobs(*sites: str, round: int = 0) -> list[SiteJob]:
    extra = {"control": np.full(3, 0.5)}
    return [
        SiteJob(
            site,
            round,
            TASKS,
            {"train": {"learning_rate": np.float32(0.1)}},
            extras=extra,
            cost=float(len(site)),
        )
        for site in sites
    ]


def as_bytes(report: SiteReport) -> tuple[object, ...]:
    sets = [
        sorted((name, array.dtype.str, array.shape, array.tobytes()) for name, array in tensors.items())
        for tensors in (report.tensors, report.local_state)
    ]
    tasks = [
        (r.task, dict(r.metrics), r.samples, r.trains, [dict(row) for row in r.rows]) for r in report.reports
    ]
    return (report.site, report.round, tasks, sets)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_round_adds_one_and_reports_every_task(workers: int) -> None:
    with LocalExecutor(setup(sites={"b": [5, 2]}), workers) as executor:
        reports = {report.site: report for report in executor.run(MODEL, jobs("a", "b"))}
    assert sorted(reports) == ["a", "b"]
    tensors = reports["b"].tensors
    np.testing.assert_array_equal(tensors["weight"], MODEL["weight"] + np.float32(1))
    np.testing.assert_array_equal(tensors["half"], MODEL["half"] + np.float16(1))
    assert tensors["count"] == 7 and tensors["count"].shape == () and tensors["empty"].shape == (0, 3)
    before, train, after = reports["b"].reports
    mean = (MODEL["weight"].sum(dtype=float) + 10) / 17
    assert before.metrics == {"weight_mean": pytest.approx(mean)} and before.samples == 2
    assert after.metrics == {"local_weight_mean": pytest.approx(mean + 1)}
    assert train.metrics == {"loss": pytest.approx(-mean - 1)} and train.samples == 5 and train.trains
    assert [row["case"] for row in before.rows] == ["b-0", "b-1"]
    assert reports["b"].local_state["optimizer/steps"].tolist() == [1]


def test_any_number_of_workers_gives_the_same_bytes() -> None:
    results = []
    for workers in (1, 2, 3):
        with LocalExecutor(setup(step=0.1), workers) as executor:
            first = sorted(executor.run(MODEL, jobs("1", "22", "333", "4444")), key=lambda r: r.site)
            model = {name: sum(r.tensors[name] for r in first) for name in MODEL}
            model["count"] = np.array(model["count"], np.int64)
            again = [
                SiteJob(report.site, 1, ("train",), local_state=report.local_state, local_names=("half",))
                for report in first
            ]
            second = sorted(executor.run(model, again), key=lambda r: r.site)
            results.append([as_bytes(report) for report in (*first, *second)])
    assert results[0] == results[1] == results[2]
    assert results[0][-1][1] == 1


def test_the_longest_job_starts_first() -> None:
    with LocalExecutor(setup(), workers=1) as executor:
        assert [r.site for r in executor.run(MODEL, jobs("1", "333", "22"))] == ["333", "22", "1"]


def test_a_worker_killed_in_a_job_is_replaced_and_the_round_is_complete() -> None:
    with LocalExecutor(setup(pause_s=0.4), workers=2) as executor:
        assert executor._pool is not None
        before = set(executor._pool.pids)
        reports = executor.run(MODEL, jobs("1", "2", "3"))
        done = [next(reports)]  # the workers are ready now, and one at least is in its pause
        busy = [worker.child.pid for worker in executor._pool._workers if worker.job is not None]
        os.kill(busy[0], signal.SIGKILL)
        done += reports
        assert sorted(report.site for report in done) == ["1", "2", "3"]
        assert len(set(executor._pool.pids) - before) == 1
        assert len(list(executor.run(MODEL, jobs("1", "2", round=1)))) == 2


def test_a_job_on_which_two_workers_die_is_an_error_that_names_it() -> None:
    with LocalExecutor(setup(pause_s=30.0), workers=2) as executor:
        assert executor._pool is not None
        stop = threading.Event()

        def assassin() -> None:
            while not stop.wait(0.05):
                for worker in list(executor._pool._workers):
                    if worker.job is not None:
                        os.kill(worker.child.pid, signal.SIGKILL)

        thread = threading.Thread(target=assassin)
        thread.start()
        try:
            with pytest.raises(WorkerError, match=r"site 1, round 4: 2 workers died on this job.*SIGKILL"):
                list(executor.run(MODEL, jobs("1", round=4)))
        finally:
            stop.set()
            thread.join()


def test_an_idle_worker_that_died_between_rounds_costs_nothing() -> None:
    with LocalExecutor(setup(), workers=2) as executor:
        assert executor._pool is not None
        assert len(list(executor.run(MODEL, jobs("1", "2")))) == 2
        for pid in executor._pool.pids:
            os.kill(pid, signal.SIGKILL)
        assert len(list(executor.run(MODEL, jobs("1", "2", "3", round=1)))) == 3


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_the_work_keep_their_message_and_exit_code(workers: int) -> None:
    wrong = SiteJob("1", 0, ("unheard",))
    with LocalExecutor(setup(), workers) as executor:
        with pytest.raises(InputError, match="unheard"):
            list(executor.run(MODEL, [wrong]))
        assert [r.site for r in executor.run(MODEL, jobs("1"))] == ["1"]
    with (
        LocalExecutor(setup(stpe=1), workers) as executor,
        pytest.raises(InputError, match="no setting 'stpe'"),
    ):
        list(executor.run(MODEL, jobs("1")))
    missing = WorkerSetup("no_such_module:open_source", {}, COLLABORATOR)
    with LocalExecutor(missing, workers) as executor, pytest.raises(InputError, match="no_such_module"):
        list(executor.run(MODEL, jobs("1")))


def test_another_exception_of_the_work_is_a_worker_error_that_names_the_site() -> None:
    # The optimizer's state lacks the array that the runner looks for: a KeyError inside the worker.
    broken = SiteJob("7", 2, ("train",), local_state={"optimizer/other": np.zeros(1)})
    with (
        LocalExecutor(setup(), workers=2) as executor,
        pytest.raises(WorkerError, match="site 7, round 2: KeyError"),
    ):
        list(executor.run(MODEL, [broken]))


STRANGE = """
import numpy as np
from fl_core.task_runner.plus_one import PlusOneRunner, PlusOneSettings
class Runner(PlusOneRunner):
    def tensors(self):
        return {"w": np.array(["text"])}
class Source:
    def open(self, site):
        return Runner(PlusOneSettings(), site)
def open_source(settings):
    return Source()
"""


def test_a_result_that_cannot_be_sent_is_an_error_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "strange_source.py").write_text(STRANGE)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    strange = WorkerSetup("strange_source:open_source", {}, COLLABORATOR)
    with (
        LocalExecutor(strange, 2, environment=environment) as executor,
        pytest.raises(FederationError, match="array 'w' has dtype <U4"),
    ):
        list(executor.run(MODEL, jobs("1")))


def test_workers_that_cannot_start_are_an_error_and_no_endless_loop(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(9)\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with (
        LocalExecutor(setup(), 2, environment=environment) as executor,
        pytest.raises(WorkerError, match=r"exit code 9.*before they were ready"),
    ):
        list(executor.run(MODEL, jobs("1")))


def test_a_broken_off_round_leaves_a_usable_executor() -> None:
    with LocalExecutor(setup(pause_s=0.3), workers=2) as executor:
        reports: Iterator[SiteReport] = executor.run(MODEL, jobs("1", "2", "3"))
        next(reports)
        reports.close()  # type: ignore[attr-defined]
        assert sorted(r.site for r in executor.run(MODEL, jobs("8", "9", round=1))) == ["8", "9"]


def test_no_worker_or_closed_twice() -> None:
    with pytest.raises(InputError, match="0 workers"):
        LocalExecutor(setup(), workers=0)
    executor = LocalExecutor(setup(), workers=2)
    pids = executor._pool.pids if executor._pool else []
    executor.close()
    executor.close()
    assert len(pids) == 2 and not any(alive(pid) for pid in pids)


PARENT = """
import sys, time
import numpy as np
from fl_core.collaborator.settings import CollaboratorSettings, TaskSpec
from fl_core.executor.base import SiteJob, WorkerSetup
from fl_core.executor.local import LocalExecutor
setup = WorkerSetup("fl_core.task_runner.plus_one:open_source", {"pause_s": 60.0},
                    CollaboratorSettings({"train": TaskSpec("train")}))
executor = LocalExecutor(setup, workers=2)
print(*executor._pool.pids, flush=True)
list(executor.run({"w": np.zeros(1, np.float32)}, [SiteJob(str(i), 0, ("train",)) for i in range(2)]))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_die_with_their_parent_in_the_middle_of_a_job(number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pids = [int(text) for text in parent.stdout.readline().split()]
    assert len(pids) == 2 and all(alive(pid) for pid in pids)
    parent.send_signal(number)
    parent.communicate(timeout=10)
    deadline = time.monotonic() + 5
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_worker_computes_with_one_thread_and_keeps_its_memory() -> None:
    environment = worker_environment({"PATH": "/bin", "OMP_NUM_THREADS": "16"})
    assert environment["PATH"] == "/bin" and environment["OMP_NUM_THREADS"] == "1"
    assert environment["MALLOC_MMAP_THRESHOLD_"] == "4294967296" and environment["PYTHONHASHSEED"] == "0"


def test_every_field_of_a_job_reaches_the_worker() -> None:
    job = SiteJob(
        site="s",
        round=4,
        tasks=("a", "b"),
        settings={"a": {"x": np.float32(0.1), "y": (1, 2)}},
        extras={"e": np.ones(2)},
        local_state={"l": np.zeros(1)},
        local_names=("n",),
        cost=2.5,
    )
    received = as_received(job)
    values = {field.name: getattr(received, field.name) for field in fields(job)}
    assert {name: array.tolist() for name, array in values.pop("extras").items()} == {"e": [1.0, 1.0]}
    assert {name: array.tolist() for name, array in values.pop("local_state").items()} == {"l": [0.0]}
    assert values == {
        "site": "s",
        "round": 4,
        "tasks": ("a", "b"),
        "settings": {"a": {"x": float(np.float32(0.1)), "y": [1, 2]}},
        "local_names": ("n",),
        "cost": 2.5,
    }
    with pytest.raises(ValueError, match="read-only"):
        received.extras["e"][0] = 3.0  # type: ignore[index]


@pytest.mark.skipif(sys.platform != "linux", reason="this machine has no glibc")
def test_a_process_can_be_told_to_keep_its_memory() -> None:
    code = """
import resource
import numpy as np
from fl_core.executor.environment import keep_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(4_000_000, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
first = faults()
assert keep_memory()
faults()
print(first, faults())
"""
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
    result = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, env=environment
    )
    before, after = (int(text) for text in result.stdout.split())
    assert after * 20 < before
