"""What the sites have to do in a round: the work that the clock charges, and the executor's jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fl_core.executor.base import SiteJob
from fl_core.tensors import Tensors
from tasks.task1_aggregation.clock.base import SiteWork, work_done
from tasks.task1_aggregation.context import SiteInfo
from tasks.task1_aggregation.settings import ExperimentSettings
from tasks.task1_aggregation.strategy import RoundConfig

VALIDATE = "aggregated_model_validation"
TRAIN = "train"
VALIDATE_LOCAL = "locally_tuned_model_validation"
HIDDEN_TEST = "hidden_test"


def round_work(
    sites: Sequence[SiteInfo],
    configs: Mapping[str, RoundConfig],
    settings: ExperimentSettings,
    batches_per_epoch: Callable[[int], int],
) -> dict[str, SiteWork]:
    """Return each site's work; sites without a configuration only validate."""
    return {
        site.name: _site_work(site, configs.get(site.name), settings, batches_per_epoch) for site in sites
    }


def _site_work(
    site: SiteInfo,
    config: RoundConfig | None,
    settings: ExperimentSettings,
    batches_per_epoch: Callable[[int], int],
) -> SiteWork:
    if config is None:
        return SiteWork(site.n_train, site.n_validate, trains=False)
    per_epoch = batches_per_epoch(site.n_train)
    epochs = settings.epochs if config.epochs is None and config.batches is None else config.epochs
    batches = work_done(epochs, config.batches, per_epoch)
    as_given = epochs if epochs is not None else batches / per_epoch
    return SiteWork(site.n_train, site.n_validate, True, as_given, batches, per_epoch)


def training_job(
    site: SiteInfo,
    round: int,
    config: RoundConfig,
    work: SiteWork,
    settings: ExperimentSettings,
    local_state: Tensors,
    optimizer: Tensors,
) -> SiteJob:
    """Return the job of a site that validates, trains, and validates what it trained."""
    training: dict[str, Any] = {
        "learning_rate": float(config.learning_rate or settings.learning_rate),
        "proximal_mu": float(config.proximal_mu),
        "batches": work.batches,
    }
    validation = {"hausdorff": settings.hausdorff}
    return SiteJob(
        site=site.name,
        round=round,
        tasks=(VALIDATE, TRAIN, VALIDATE_LOCAL),
        settings={TRAIN: training, VALIDATE: validation, VALIDATE_LOCAL: validation},
        extras={**config.broadcast, **optimizer},
        local_state=local_state,
        local_names=config.local_names,
        cost=float(work.batches + site.n_validate),
    )


def validation_job(site: SiteInfo, round: int, settings: ExperimentSettings) -> SiteJob:
    """Return the job of a site that only validates the global model."""
    return SiteJob(
        site=site.name,
        round=round,
        tasks=(VALIDATE,),
        settings={VALIDATE: {"hausdorff": settings.hausdorff}},
        cost=float(site.n_validate),
    )


def hidden_test_job(site: str, round: int) -> SiteJob:
    """Return the job that measures a model on a site's hidden test cases, case by case."""
    settings = {"split": "test", "rows": True, "hausdorff": True}
    return SiteJob(site=site, round=round, tasks=(HIDDEN_TEST,), settings={HIDDEN_TEST: settings})
