"""What a delivery has to be before it counts. What a site says of itself is not believed."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fl_core.aggregator.received import received_update
from fl_core.errors import TensorError
from fl_core.executor.base import OPTIMIZER_PREFIX, TaskReport
from fl_core.federation.served import Served, opened_update
from fl_core.federation.state_folder import DECODED, StateFolder
from fl_core.federation.terms import Terms
from fl_core.tensors import Tensors
from fl_core.tensors.check import check_tensor, form_of
from fl_core.tensors.header import DEFAULT_LIMITS, Limits
from fl_core.transport.board import Delivered
from fl_core.transport.messages import Work

LONGEST_NAME = 256
"""Characters of a metric's name; it becomes a column."""


@dataclass(frozen=True)
class _Open:
    """The round that deliveries are for."""

    served: Served
    form: Tensors
    caps: Mapping[str, int | None]


class Admission:
    """Checks deliveries in the threads of their calls, and moves accepted updates out of the spool.

    Args:
        terms: What was agreed on.
        folder: Where accepted updates go.
        limits: How much an update's file may ask for.
    """

    def __init__(self, terms: Terms, folder: StateFolder, limits: Limits = DEFAULT_LIMITS) -> None:
        self._terms = terms
        self._folder = folder
        self._limits = limits
        self._open: _Open | None = None
        # Decoding needs a model's memory: one at a time.
        self._decoding = threading.Lock()

    def begin(self, served: Served, caps: Mapping[str, int | None]) -> None:
        """Take deliveries of a round from now on.

        Args:
            served: The round's model.
            caps: The most samples that a site may claim; None where nothing is registered.
        """
        self._open = _Open(served, form_of(served.model), dict(caps))

    def __call__(self, delivered: Delivered) -> str:
        """Return why a delivery does not count; empty where it does.

        Raises:
            OSError: The disk refused; the site may try again.
        """
        now = self._open
        if now is None or delivered.work.round != now.served.round:
            return f"round {delivered.work.round} takes no results now"
        cap = now.caps.get(delivered.site)
        reason = wrong_reports(self._terms, delivered.work, delivered.delivery.reports, cap)
        if reason:
            return reason
        trains = any(map(self._terms.trains, delivered.work.tasks))
        if trains != (delivered.update is not None):
            return (
                "an update is missing, though a task trains"
                if trains
                else "an update came, though no task trains"
            )
        if delivered.update is None or delivered.delivery.update is None:
            return ""
        blob = delivered.delivery.update
        path = self._folder.take(delivered.work.round, delivered.site, blob, delivered.update)
        try:
            self._check(now, path, f"the update of site {delivered.site}")
        except TensorError as error:
            path.unlink(missing_ok=True)
            return f"invalid update: {error}"
        return ""

    def update(self, served: Served, path: Path) -> Tensors:
        """Return an accepted update, lazy.

        Raises:
            TensorError: It cannot be read as one.
        """
        decoded = path.with_suffix(DECODED)
        with self._decoding:
            return opened_update(self._terms.exchange, served, path, self._limits, decoded)

    def _check(self, now: _Open, path: Path, what: str) -> None:
        update = self.update(now.served, path)
        extra = sorted(name for name in update if name.startswith(OPTIMIZER_PREFIX))
        if extra and not self._terms.averages_optimizers:
            raise TensorError(f"{what}: holds {extra[0]!r}, but the plan shares no optimizer")
        base = now.served.model if self._terms.collaborator.delta_updates else None
        model, _ = received_update(update, now.form, base=base, what=what)
        if not model:
            raise TensorError(f"{what}: holds no tensor of the model")
        if base is not None:  # a finite change can still leave the range of its dtype
            with np.errstate(over="ignore"):
                for name in model:
                    check_tensor(model[name], now.form[name], f"{what}, added to the model: tensor {name!r}")


def wrong_reports(terms: Terms, work: Work, reports: tuple[TaskReport, ...], cap: int | None) -> str:
    """Return what is wrong with the reports of a work; empty where nothing is.

    Args:
        terms: What was agreed on.
        work: What was asked for.
        reports: What came.
        cap: The most samples that the site may claim; None where nothing is registered.

    Example:
        >>> from fl_core.assigner.static_grouped import StaticGroupedAssigner
        >>> from fl_core.collaborator.settings import CollaboratorSettings
        >>> from fl_core.transport.messages import BlobRef
        >>> terms = Terms("", 1, CollaboratorSettings({}), StaticGroupedAssigner([]))
        >>> work = Work("0", 0, ("validate",), BlobRef("", 0))
        >>> wrong_reports(terms, work, (TaskReport("validate", {}, 1_000_000_000),), cap=40)
        "task 'validate' claims 1000000000 samples; the registered cap is 40"
    """
    came = tuple(report.task for report in reports)
    if came != work.tasks:
        return f"results of the tasks {_listed(came)}; the work was {_listed(work.tasks)}"
    for report in reports:
        subject = f"task {report.task!r}"
        if report.trains != terms.trains(report.task):
            return f"{subject} says that it {'trained' if report.trains else 'trained nothing'}"
        if report.samples < 0:
            return f"{subject} claims {report.samples} samples"
        if cap is not None and report.samples > cap:
            return f"{subject} claims {report.samples} samples; the registered cap is {cap}"
        for name, value in report.metrics.items():
            if not name.isprintable() or len(name) > LONGEST_NAME:
                return f"{subject} has a metric whose name is no name: {name[:40]!r}"
            if not math.isfinite(value):
                return f"{subject}: metric {name!r} is {value}; it must be finite"
    return ""


def _listed(tasks: tuple[str, ...]) -> str:
    return ", ".join(task[:80] for task in tasks[:8]) or "none"
