"""A plan carried out in this process: every part made of the plan's sections, the executor local."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fl_core.aggregator.rounds import Rules
from fl_core.aggregator.service import Aggregator
from fl_core.compression.executor import CompressedExecutor
from fl_core.executor.base import SiteJob
from fl_core.executor.local import LocalExecutor
from fl_core.plan.build import aggregation_of, assigner_of, exchange_of, worker_setup
from fl_core.plan.loader import load_plan
from fl_core.plan.state_path import state_path
from fl_core.tensors import Tensors
from fl_core.tensors.codec import read_file


@dataclass
class PlanRun:
    """What a run left.

    Attributes:
        model: The last model.
        assigned: Tasks by site, round for round.
        metrics: Means by site and task, round for round.
    """

    model: Tensors
    assigned: list[Mapping[str, tuple[str, ...]]] = field(default_factory=list)
    metrics: list[dict[tuple[str, str], Mapping[str, float]]] = field(default_factory=list)


def run_plan(root: Path, data: Mapping[str, str], *, rounds: int | None = None, workers: int = 1) -> PlanRun:
    """Run an initialised workspace's plan over the named sites."""
    plan = load_plan(root / "plan" / "plan.yaml")
    settings = plan.aggregator.settings
    initial, _ = read_file(state_path(root, settings.init_state_path).path)
    delta = plan.collaborator.settings.delta_updates
    aggregator = Aggregator(
        initial, rules=Rules(settings.best_direction), min_updates=settings.min_updates, delta_updates=delta
    )
    assigner, aggregation = assigner_of(plan), aggregation_of(plan)
    run = PlanRun(initial)
    states: dict[str, Tensors] = {}
    with LocalExecutor(worker_setup(plan, workspace=root, data=data), workers) as local:
        executor = CompressedExecutor(local, exchange_of(plan))
        for round in range(rounds or settings.rounds_to_train):
            tasks = assigner.assign(round, list(data))
            aggregator.open_round(tasks)
            jobs = [
                SiteJob(site, round, names, extras=aggregator.optimizer, local_state=states.get(site, {}))
                for site, names in tasks.items()
                if names
            ]
            reports = list(executor.run(aggregator.model, jobs))
            for report in reports:
                assert aggregator.deliver(report) == ""
                states[report.site] = report.local_state
            aggregator.close_round(aggregation)
            run.assigned.append(tasks)
            run.metrics.append({(r.site, t.task): t.metrics for r in reports for t in r.reports})
    run.model = aggregator.model
    return run
