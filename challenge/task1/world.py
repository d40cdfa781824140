"""The simulated world of a run: its clock, its outages and the horizon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from challenge.config import WEEK_S, Task1Config
from fl_core.plan.schema import Plan
from tasks.segmentation.recipe import FEDERATION, network_settings, training_settings
from tasks.segmentation.work import batches_per_epoch
from tasks.task1_aggregation.clock.base import Clock
from tasks.task1_aggregation.clock.default import DefaultClock
from tasks.task1_aggregation.clock.fets2022 import Fets2022Clock
from tasks.task1_aggregation.context import SiteInfo
from tasks.task1_aggregation.experiment import World
from tasks.task1_aggregation.outages.presets import median_round_time_s, outage_settings
from tasks.task1_aggregation.outages.settings import Resolved, parse_settings
from tasks.task1_aggregation.round_work import round_work
from tasks.task1_aggregation.settings import ExperimentSettings
from tasks.task1_aggregation.strategy import RoundConfig

EMBEDDED_HORIZON_S = 12000.0
"""Of the embedded default: FedAvg's default rounds use about three quarters of it (docs/recipe.md)."""


def experiment_settings(config: Task1Config, plan: Plan) -> ExperimentSettings:
    """Return the settings of the experiment.

    Args:
        config: Resolved, see `resolved`.
        plan: What the federation agreed on.
    """
    assert config.horizon_s is not None and config.epochs is not None
    return ExperimentSettings(
        seed=config.seed,
        rounds=plan.aggregator.settings.rounds_to_train,
        direction=plan.aggregator.settings.best_direction,
        horizon_s=config.horizon_s,
        learning_rate=float(training_settings(config.training)["learning_rate"]),
        epochs=config.epochs,
        score_every=config.score_every,
        score_kind=config.score_kind,
        hausdorff=bool(config.hausdorff),
        credit_last=config.profile != "fets2022",
        delta_updates=plan.collaborator.settings.delta_updates,
    )


def resolved(config: Task1Config, captured: dict[str, Any], base: Path) -> Task1Config:
    """Return the configuration with nothing left open but what the machine decides.

    Args:
        config: As given.
        captured: What a FeTS script asked for.
        base: Folder against which a relative file of outages is looked up.
    """
    training = training_settings(config.training)
    rounds = config.rounds or captured.get("rounds_to_train") or int(FEDERATION["rounds"])
    embedded = config.data is None and config.profile == "default"
    hausdorff = config.hausdorff
    if hausdorff is None:
        hausdorff = bool(captured.get("include_validation_with_hausdorff", False))
    return config.model_copy(
        update={
            "rounds": int(rounds),
            "epochs": config.epochs if config.epochs is not None else float(training["epochs"]),
            "horizon_s": config.horizon_s or (EMBEDDED_HORIZON_S if embedded else WEEK_S),
            "outages": outages_of(config, base).model_dump(mode="json"),
            "hausdorff": hausdorff,
            "network": network_settings(config.network),
            "training": training,
        }
    )


def outages_of(config: Task1Config, base: Path) -> Resolved:
    """Return the outage settings that the configuration means.

    Raises:
        SettingsError: There is no such preset or file, or a setting in it is wrong.
    """
    if isinstance(config.outages, str):
        return outage_settings(config.outages)
    return parse_settings(config.outages, "outages", base)


def make_world(config: Task1Config, settings: ExperimentSettings, sites: tuple[SiteInfo, ...]) -> World:
    """Return the clock, the outages and the rules of a resolved configuration."""
    names = [site.name for site in sites]
    clock: Clock
    if config.profile == "fets2022":
        clock = Fets2022Clock(names, config.work_unit)
    else:
        clock = DefaultClock(config.seed, names)
    one_epoch = dict.fromkeys(names, RoundConfig(epochs=1.0))
    work = round_work(sites, one_epoch, settings, lambda n: steps(config, n))
    unit = median_round_time_s(clock.draw(0, work))
    outages = outages_of(config, Path()).with_unit(unit)
    return World(clock, outages.outages(config.seed, names), outages.rules)


def steps(config: Task1Config, n_train: int) -> int:
    """Return the batches of one pass over that many training cases."""
    return batches_per_epoch(n_train, training_settings(config.training))
