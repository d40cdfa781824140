"""``challenge run task1 --dry-run``: what a run would do and cost, found out in seconds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from challenge.config import ConfigError, Task1Config
from challenge.records.machine import machine_facts
from challenge.task1.cost import Measured, measure, resident_bytes, round_wall_s, run_wall_s
from challenge.task1.executors import worker_count
from challenge.task1.inputs import Inputs, read_inputs
from challenge.task1.plan import task1_plan
from challenge.task1.strategy_host import OpenedStrategy, open_strategy
from challenge.task1.surroundings import Surroundings
from challenge.task1.world import experiment_settings, make_world, resolved, steps
from partitions.home import cache_home
from tasks.task1_aggregation.clock.base import SiteWork
from tasks.task1_aggregation.experiment import World
from tasks.task1_aggregation.outages.effects import play_round
from tasks.task1_aggregation.round_work import round_work
from tasks.task1_aggregation.settings import ExperimentSettings
from tasks.task1_aggregation.strategy import RoundConfig

MIB = 2**20
MODELS_HELD = 4
"""The first, the global, the best and the next model; beside them one update of each site."""
MODELS_STORED = 5
"""In a checkpoint at its largest: first, global and best model, the latter two beside those they replace."""


@dataclass(frozen=True)
class SimulatedRounds:
    """The rounds of a run if every site trains in each, with the configuration's epochs.

    Attributes:
        times_s: Simulated seconds of each round that begins before the horizon.
        horizon_s: The horizon.
    """

    times_s: tuple[float, ...]
    horizon_s: float

    @property
    def typical_s(self) -> float:
        """The median."""
        return median(self.times_s)

    @property
    def fitting(self) -> int:
        """How many rounds would begin before the horizon, were there no other end.

        Beyond those that were played, each is taken to last as long as the median one.
        """
        left = self.horizon_s - sum(self.times_s)
        return len(self.times_s) + max(0, -int(-left // self.typical_s))


def estimate(config: Task1Config, around: Surroundings) -> list[str]:
    """Load the submission and the data, measure the smallest pieces of the work, and say what a run takes.

    Nothing is written but the cache of prepared cases, which any run uses. The simulated times are those
    of a strategy that selects every site and leaves the epochs as configured; a submission may choose
    otherwise, and is not asked, since its answers depend on rounds that are not played. Wall times
    follow from `round_wall_s` and `run_wall_s`. Memory is

        workers * resident size of a worker + (4 + sites) models + this process

    (one worker works in this process, and counts once). The checkpoint holds at most five models, what
    sites keep between rounds, and, for a submission with variables of its own, the updates of all rounds
    up to ``replay_limit_mib``.

    Args:
        config: As given on the command line.
        around: The process around the run.

    Returns:
        Plain lines for the reader.

    Raises:
        InputError, DataError: The call or an input is wrong.
        StrategyError: The submission cannot be loaded.
        WorkerError: The worker that was measured died.
    """
    outages = (
        config.outages if isinstance(config.outages, str) else str(config.outages.get("kind", "as given"))
    )
    strategy, config = _load(config, around)
    cache = cache_home(around.environment)
    inputs = read_inputs(config, cache, os.cpu_count() or 1, around.terminal.progress)
    if not inputs.entries:
        raise ConfigError("--dry-run measures one batch on one case: name a folder of cases with --data")
    for note in (*strategy.notes, *inputs.notes):
        around.terminal.warn(note)
    settings = experiment_settings(config, task1_plan(config))
    configs = {site.name: RoundConfig() for site in inputs.sites}
    work = round_work(inputs.sites, configs, settings, lambda n: steps(config, n))
    rounds = simulated_rounds(settings, make_world(config, settings, inputs.sites), work)
    measured = measure(config, inputs, settings, around.environment)
    return [
        f"submission {strategy.name} ({strategy.kind}), isolation: {strategy.isolation}",
        *_data_lines(config, inputs),
        *_engine_lines(config, inputs),
        f"seed {config.seed}: split, first weights, patches, simulated times and outages follow from it",
        f"simulated: profile {config.profile}, outages {outages}, horizon {span(settings.horizon_s)}",
        *_time_lines(settings, rounds),
        *_cost_lines(config, strategy, inputs, work, rounds, measured),
    ]


def simulated_rounds(
    settings: ExperimentSettings, world: World, work: Mapping[str, SiteWork]
) -> SimulatedRounds:
    """Play the clock and the outages of a run's rounds, all sites doing the same work in each."""
    times: list[float] = []
    busy: Mapping[str, float] = {}
    start = 0.0
    while len(times) < settings.rounds and start < settings.horizon_s:
        drawn = world.clock.draw(len(times), work)
        play = play_round(start, drawn, set(work), world.outages, world.rules, settings.horizon_s, busy)
        times.append(play.round_time_s)
        start, busy = play.end_s, play.busy
    return SimulatedRounds(tuple(times), settings.horizon_s)


def _load(config: Task1Config, around: Surroundings) -> tuple[OpenedStrategy, Task1Config]:
    """Return the submission, ended again, and the configuration that it leads to."""
    with tempfile.TemporaryDirectory(prefix="dry-run-") as folder:
        strategy = open_strategy(config, Path(folder) / "strategy.log")
        try:
            return strategy, resolved(config, dict(strategy.settings), Path())
        finally:
            strategy.close()


def _data_lines(config: Task1Config, inputs: Inputs) -> list[str]:
    sites, tests = inputs.sites, _tests_by_site(inputs)
    return [
        f"data: {config.data or 'the embedded phantom'} ({inputs.data_digest()[:19]})",
        f"partition {config.partition}: {len(sites)} institutions, {sum(s.n_train for s in sites)} cases to "
        f"train, {sum(s.n_validate for s in sites)} to validate, {sum(tests.values())} hidden",
        *(
            f"  site {site.name}: {site.n_train} to train, {site.n_validate} to validate, "
            f"{tests.get(site.name, 0)} hidden"
            for site in sites
        ),
        *([f"  of no site: {len(inputs.split.hidden)} hidden"] if inputs.split.hidden else []),
    ]


def _engine_lines(config: Task1Config, inputs: Inputs) -> list[str]:
    if config.engine != "grpc":
        return []
    from challenge.task1.grpc_engine import site_costs

    if config.federation is None:
        sites = site_costs(inputs)
        hosts = min(worker_count(config, len(inputs.sites)), len(sites))
        lines = [f"engine grpc: {len(sites)} collaborators over mutual TLS on loopback, in {hosts} processes"]
    else:
        from challenge.task1.workspace import check_workspace

        plan = check_workspace(config.federation, config, inputs).hash
        lines = [f"engine grpc: leads {config.federation}, plan {plan}; times below are of this machine"]
    if config.impose_outages is not None:
        lines.append(f"outages hit the connections: {config.impose_outages:g} simulated seconds a second")
    return lines


def _time_lines(settings: ExperimentSettings, rounds: SimulatedRounds) -> list[str]:
    played = rounds.times_s
    return [
        f"  a round takes {span(rounds.typical_s)} (median of {len(played)}, {span(min(played))} to "
        f"{span(max(played))}) if all sites train {settings.epochs:g} epochs; the submission may differ",
        f"  {len(played)} of the {settings.rounds} rounds begin before the horizon; "
        f"{rounds.fitting} would fit",
    ]


def _cost_lines(
    config: Task1Config,
    strategy: OpenedStrategy,
    inputs: Inputs,
    work: Mapping[str, SiteWork],
    rounds: SimulatedRounds,
    measured: Measured,
) -> list[str]:
    workers = worker_count(config, len(inputs.sites))
    cores = int(machine_facts(threads=1)["cores"] or 1)
    tests = _tests_by_site(inputs).values()
    round_s = round_wall_s(work, measured, workers, cores)
    run_s = run_wall_s(work, tests, len(rounds.times_s), measured, workers, cores)
    return [
        f"device {measured.device}, {workers} workers with one compute thread each, {cores} cores",
        f"measured: a batch {measured.batch_s:.3f} s, a validation {measured.validation_s:.3f} s, "
        f"a hidden test case {measured.test_s:.3f} s, the start of a worker {measured.start_s:.1f} s",
        f"expected wall time: {span(round_s)} a round, {span(run_s)} the run",
        _memory_line(strategy, len(inputs.sites), workers, measured),
        _disk_line(config, strategy, inputs, len(rounds.times_s), measured),
    ]


def _memory_line(strategy: OpenedStrategy, sites: int, workers: int, measured: Measured) -> str:
    here = resident_bytes("self", "VmRSS")
    if here is None or measured.worker_bytes is None:
        return "expected memory: not measured, this system does not tell the size of a process"
    models = MODELS_HELD * measured.model_bytes + sites * measured.site_bytes
    # A single worker is no process of its own, so what both need is there once; the larger one counts.
    processes = max(here, measured.worker_bytes) if workers == 1 else here + workers * measured.worker_bytes
    own = (
        "" if strategy.isolation in ("none", "not needed") else "; the submission's own process comes on top"
    )
    return (
        f"expected memory: {size(processes + models)} = {workers} x {size(measured.worker_bytes)} workers, "
        f"{size(models)} models and updates, {size(here)} harness{own}"
    )


def _disk_line(
    config: Task1Config, strategy: OpenedStrategy, inputs: Inputs, rounds: int, measured: Measured
) -> str:
    sites = len(inputs.sites)
    kept = max(0, measured.site_bytes - measured.model_bytes)
    checkpoint = float(MODELS_STORED * measured.model_bytes + 2 * sites * kept)
    if not strategy.resumes_from_state:
        checkpoint += min(rounds * sites * measured.model_bytes, config.replay_limit_mib * MIB)
    cache = sum(
        file.stat().st_size
        for entry in set(inputs.entries.values())
        for file in entry.iterdir()
        if file.is_file()
    )
    return f"expected disk: {size(checkpoint)} checkpoint at most; {size(cache)} cache, shared by all runs"


def _tests_by_site(inputs: Inputs) -> dict[str, int]:
    """Return the numbers of hidden test cases; those of no institution under the empty name."""
    found: dict[str, int] = {}
    for site, _ in inputs.split.test_cases:
        found[site] = found.get(site, 0) + 1
    return found


def size(count: float) -> str:
    """Return a number of bytes for people.

    Example:
        >>> size(900), size(3.5 * 2**20), size(2**31)
        ('0.0 MiB', '3.5 MiB', '2.0 GiB')
    """
    return f"{count / MIB:.1f} MiB" if count < 1024 * MIB else f"{count / MIB / 1024:.1f} GiB"


def span(seconds: float) -> str:
    """Return a time for people.

    Example:
        >>> span(2.345), span(90), span(5400), span(604800)
        ('2.3 s', '1.5 min', '1.5 h', '7.0 days')
    """
    for unit, name in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.1f} s"
