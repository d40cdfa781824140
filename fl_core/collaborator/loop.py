"""A collaborator: one site's side of a round. The same class in a simulation and in a hospital."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from fl_core.collaborator.settings import CollaboratorSettings, OptTreatment, TaskSpec
from fl_core.errors import PlanError, TensorError
from fl_core.executor.base import OPTIMIZER_PREFIX, SiteJob, SiteReport, TaskReport
from fl_core.task_runner.base import TaskContext, TaskOutput, TaskRunner
from fl_core.tensors import Array, Tensors

LOCAL_PREFIX = "tensor/"


class Collaborator:
    """Does the tasks of a job on one site's data.

    It keeps nothing between jobs: what must stay at the site comes in with the job
    (`SiteJob.local_state`) and leaves in the report, so that any worker can serve any site.

    Args:
        name: The site's name.
        runner: The framework, with the site's data.
        settings: What the plan tells all collaborators.
        clock: Wall-clock seconds; only for `SiteReport.wall_s`.
    """

    def __init__(
        self,
        name: str,
        runner: TaskRunner,
        settings: CollaboratorSettings,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.name = name
        self._runner = runner
        self._settings = settings
        self._clock = clock

    def perform(self, job: SiteJob, model: Tensors) -> SiteReport:
        """Do every task of the job, starting from the given global model.

        Raises:
            PlanError: The job names a task that the plan does not have.
            TensorError: A local tensor has no counterpart in the model.
        """
        start = self._clock()
        _check_local_names(job, model)
        trained: dict[str, Array] | None = None
        optimizer: dict[str, Array] = {}
        reports = []
        for task in job.tasks:
            spec = self._spec(task)
            context = self._context(job, task, spec)
            if spec.function == "train":
                self._runner.load(_with_local_tensors(model, job))
                self._restore_optimizer(job)
                output = self._runner.train(context)
                trained = {name: np.array(value) for name, value in self._runner.tensors().items()}
                optimizer = self._optimizer_after_training()
            else:
                if spec.apply == "global":
                    self._runner.load(model)
                else:
                    self._runner.load(trained if trained is not None else _with_local_tensors(model, job))
                output = self._runner.validate(context)
            reports.append(_report(task, spec, output))
        return SiteReport(
            site=self.name,
            round=job.round,
            reports=tuple(reports),
            tensors=self._update(job, model, trained, optimizer),
            local_state=self._local_state(job, trained, optimizer),
            wall_s=self._clock() - start,
        )

    def _spec(self, task: str) -> TaskSpec:
        if task not in self._settings.tasks:
            known = ", ".join(sorted(self._settings.tasks))
            raise PlanError(f"site {self.name} was given the task {task!r}; the plan has {known}")
        return self._settings.tasks[task]

    def _context(self, job: SiteJob, task: str, spec: TaskSpec) -> TaskContext:
        settings = {**spec.settings, **job.settings.get(task, {})}
        extras = {name: value for name, value in job.extras.items() if not name.startswith(OPTIMIZER_PREFIX)}
        return TaskContext(self._settings.seed, self.name, job.round, settings, extras)

    def _restore_optimizer(self, job: SiteJob) -> None:
        self._runner.reset_optimizer()
        source: Tensors = {}
        if self._settings.opt_treatment is OptTreatment.CONTINUE_LOCAL:
            source = job.local_state
        elif self._settings.opt_treatment is OptTreatment.CONTINUE_GLOBAL:
            source = job.extras
        state = {
            name.removeprefix(OPTIMIZER_PREFIX): value
            for name, value in source.items()
            if name.startswith(OPTIMIZER_PREFIX)
        }
        if state:
            self._runner.load_optimizer(state)

    def _optimizer_after_training(self) -> dict[str, Array]:
        if self._settings.opt_treatment is OptTreatment.RESET:
            return {}
        state = self._runner.optimizer_tensors()
        return {OPTIMIZER_PREFIX + name: np.array(value) for name, value in state.items()}

    def _update(
        self, job: SiteJob, model: Tensors, trained: dict[str, Array] | None, optimizer: dict[str, Array]
    ) -> dict[str, Array]:
        if trained is None:
            return {}
        sent = {**trained, **{name: np.array(model[name]) for name in job.local_names}}
        if self._settings.delta_updates:
            sent = {name: _delta(value, model[name]) for name, value in sent.items()}
        if self._settings.opt_treatment is OptTreatment.CONTINUE_GLOBAL:
            sent |= optimizer
        return sent

    def _local_state(
        self, job: SiteJob, trained: dict[str, Array] | None, optimizer: dict[str, Array]
    ) -> dict[str, Array]:
        if trained is None:
            return dict(job.local_state)
        kept = {LOCAL_PREFIX + name: trained[name] for name in job.local_names}
        if self._settings.opt_treatment is OptTreatment.CONTINUE_LOCAL:
            kept |= optimizer
        return kept


def _report(task: str, spec: TaskSpec, output: TaskOutput) -> TaskReport:
    prefix = "local_" if spec.function == "validate" and spec.apply == "local" else ""
    metrics = {prefix + name: float(value) for name, value in output.metrics.items()}
    return TaskReport(task, metrics, output.samples, spec.function == "train", tuple(output.rows))


def _check_local_names(job: SiteJob, model: Tensors) -> None:
    unknown = sorted(set(job.local_names) - set(model))
    if unknown:
        raise TensorError(f"local_names has {unknown[0]!r}, which is no tensor of the model")


def _with_local_tensors(model: Tensors, job: SiteJob) -> dict[str, Array]:
    kept = {name: job.local_state.get(LOCAL_PREFIX + name) for name in job.local_names}
    return {**model, **{name: value for name, value in kept.items() if value is not None}}


def _delta(trained: Array, received: Array) -> Array:
    return np.subtract(trained, received, dtype=trained.dtype) if trained.dtype != np.bool_ else trained
