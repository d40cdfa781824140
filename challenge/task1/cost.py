"""What a run will cost: one batch and one validation by the clock, and what follows from them."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from challenge.config import Task1Config
from challenge.task1.engine import Engine, chosen_device
from challenge.task1.inputs import Inputs, worker_settings
from challenge.task1.plan import SOURCE, task1_plan
from fl_core.executor.base import SiteJob, WorkerSetup
from fl_core.executor.environment import worker_environment
from fl_core.executor.pool import WorkerPool
from fl_core.tensors import Tensors
from partitions.split import InstitutionSplit, Split
from tasks.task1_aggregation.clock.base import SiteWork
from tasks.task1_aggregation.context import SiteInfo
from tasks.task1_aggregation.round_work import TRAIN, hidden_test_job, training_job, validation_job
from tasks.task1_aggregation.settings import ExperimentSettings
from tasks.task1_aggregation.strategy import RoundConfig

SAMPLE = "sample"
"""The institution of one case for each purpose that is measured."""


@dataclass(frozen=True)
class Measured:
    """What a worker took for the smallest pieces of a run's work.

    Attributes:
        start_s: Wall-clock seconds from the worker's start to its first job.
        batch_s: Of one training batch, loading the model included.
        validation_s: Of validating one case of median size.
        test_s: Of measuring one hidden test case; a lower bound, since HD95 of the untrained model's
            empty prediction costs nothing.
        model_bytes: Of a model.
        site_bytes: Of what a site's job returns: the update, and what it keeps for its next round.
        worker_bytes: The worker's largest resident size; none where the system does not tell.
        device: Where the network ran.
    """

    start_s: float
    batch_s: float
    validation_s: float
    test_s: float
    model_bytes: int
    site_bytes: int
    worker_bytes: int | None
    device: str


def measure(
    config: Task1Config,
    inputs: Inputs,
    settings: ExperimentSettings,
    environment: Mapping[str, str],
    now: Callable[[], float] = time.monotonic,
) -> Measured:
    """Start one worker, let it train one batch, validate one case and test one, and end it.

    Each is done twice, and the second time counts: the first one also loads code and files.

    Args:
        config: A resolved configuration.
        inputs: The run's data; the cases of median size are used.
        settings: Of the experiment.
        environment: From which the worker's environment is made.
        now: A clock, seconds.

    Raises:
        ConfigError: The device or the initial model cannot be used.
        WorkerError: The worker died, e.g. of too little memory.
    """
    device = chosen_device(config.device)
    sample = _sample(inputs)
    plain = worker_settings(config, sample, device)
    plan = task1_plan(config)
    began = now()
    setup = WorkerSetup(SOURCE, plain, plan.collaborator_settings(config.seed))
    pool = WorkerPool(setup, 1, worker_environment(environment))
    try:
        model = Engine(pool, 1, device, plan, plain).initial(config)
        jobs = _jobs(settings)
        reports = [report for job in (*jobs, *jobs) for report in pool.run(model, [job])]
        elapsed = now() - began
        resident = resident_bytes(pool.pids[0], "VmHWM")
    finally:
        pool.close()
    train, validation, test = reports[len(jobs) :]
    return Measured(
        start_s=max(0.0, elapsed - sum(report.wall_s for report in reports)),
        batch_s=train.wall_s,
        validation_s=validation.wall_s,
        test_s=test.wall_s,
        model_bytes=_bytes(model),
        site_bytes=_bytes(train.tensors) + _bytes(train.local_state),
        worker_bytes=resident,
        device=device,
    )


def round_wall_s(work: Mapping[str, SiteWork], measured: Measured, workers: int, cores: int) -> float:
    """Return the expected wall-clock seconds of a round.

    A site that trains b batches and has v validation cases takes ``b * batch_s + 2 v * validation_s``
    (it validates the global model and its own), any other one ``v * validation_s``. Workers take the
    jobs as the executor hands them out, the one of the largest cost (b + v) first; the round lasts as long
    as the worker that ends last. More workers than cores share them: everything takes workers / cores
    times as long. Aggregation is not counted, nor that workers slow each other down at the memory.

    Example:
        >>> measured = Measured(0.0, 0.5, 1.0, 1.0, 0, 0, None, "cpu")
        >>> work = {"a": SiteWork(4, 2, True, 1.0, 6, 6), "b": SiteWork(4, 1, trains=False)}
        >>> round_wall_s(work, measured, workers=1, cores=2), round_wall_s(work, measured, 2, 2)
        (8.0, 7.0)
    """
    jobs = []
    for name, site in work.items():
        batches = site.batches if site.trains else 0
        validations = site.n_validate * (2 if site.trains else 1)
        seconds = batches * measured.batch_s + validations * measured.validation_s
        jobs.append((batches + site.n_validate, name, seconds))
    ordered = sorted(jobs, key=lambda job: (-job[0], job[1]))
    return makespan([seconds for _, _, seconds in ordered], workers) * max(1.0, workers / cores)


def run_wall_s(
    work: Mapping[str, SiteWork],
    tests: Iterable[int],
    rounds: int,
    measured: Measured,
    workers: int,
    cores: int,
) -> float:
    """Return the expected wall-clock seconds of a run whose data are prepared.

    The start of the workers, `rounds` times `round_wall_s`, the validation of the last model, and the
    hidden test cases, whose numbers by site are `tests`.
    """
    only = {name: SiteWork(site.n_train, site.n_validate, trains=False) for name, site in work.items()}
    hidden = makespan([cases * measured.test_s for cases in tests], workers) * max(1.0, workers / cores)
    played = rounds * round_wall_s(work, measured, workers, cores)
    return measured.start_s + played + round_wall_s(only, measured, workers, cores) + hidden


def makespan(seconds: Iterable[float], workers: int) -> float:
    """Return when the last job ends if each goes, in this order, to the worker who is free first.

    Example:
        >>> makespan([3.0, 2.0, 2.0], workers=2)
        4.0
    """
    ends = [0.0] * workers
    for duration in seconds:
        heapq.heappush(ends, heapq.heappop(ends) + duration)
    return max(ends)


def resident_bytes(pid: int | str, field: str) -> int | None:
    """Return ``VmRSS`` (now) or ``VmHWM`` (at most so far) of a process; none where there is no /proc."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith(f"{field}:")]
    return int(found[0][1]) * 1024 if found else None


def _sample(inputs: Inputs) -> Inputs:
    """Return one institution with the case of median size of each purpose."""
    parts = inputs.split.institutions.values()
    train = _median_case(inputs, [case for part in parts for case in part.train])
    validate = _median_case(inputs, [case for part in parts for case in part.validate])
    tested = [case for _, case in inputs.split.test_cases]
    test = _median_case(inputs, tested) if tested else validate
    split = Split({SAMPLE: InstitutionSplit((train,), (validate,), (test,))}, (), inputs.split.source)
    return Inputs(split, {case: inputs.entries[case] for case in {train, validate, test}}, ())


def _median_case(inputs: Inputs, cases: Sequence[str]) -> str:
    def size(case: str) -> tuple[int, str]:
        return (inputs.entries[case] / "image.npy").stat().st_size, case

    return sorted(cases, key=size)[len(cases) // 2]


def _jobs(settings: ExperimentSettings) -> tuple[SiteJob, SiteJob, SiteJob]:
    site = SiteInfo(SAMPLE, 1, 1)
    whole = training_job(site, 0, RoundConfig(batches=1), SiteWork(1, 1), settings, {}, {})
    train = SiteJob(SAMPLE, 0, (TRAIN,), {TRAIN: whole.settings[TRAIN]})
    return train, validation_job(site, 0, settings), hidden_test_job(SAMPLE, 0)


def _bytes(tensors: Tensors) -> int:
    return sum(array.nbytes for array in tensors.values())
