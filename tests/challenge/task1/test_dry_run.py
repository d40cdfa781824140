"""The dry run: what it says, that it agrees with a real run, and that it leaves nothing behind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plus_one_engine import Silent, configuration, surroundings

from challenge.config import ConfigError, Task1Config
from challenge.task1.cost import Measured, makespan, resident_bytes, round_wall_s, run_wall_s
from challenge.task1.dry_run import SimulatedRounds, estimate, simulated_rounds, size, span
from challenge.task1.plan import task1_plan
from challenge.task1.run import start
from challenge.task1.surroundings import Surroundings
from challenge.task1.world import experiment_settings, make_world, resolved, steps
from tasks.task1_aggregation.clock.base import SiteWork
from tasks.task1_aggregation.context import SiteInfo
from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.round_work import round_work
from tasks.task1_aggregation.strategy import RoundConfig

SITES = (SiteInfo("1", 2, 1), SiteInfo("2", 1, 1), SiteInfo("3", 1, 1))
MEASURED = Measured(
    start_s=5.0,
    batch_s=0.5,
    validation_s=2.0,
    test_s=3.0,
    model_bytes=1000,
    site_bytes=1000,
    worker_bytes=None,
    device="cpu",
)


def rounds_of(config: Task1Config) -> SimulatedRounds:
    """Play the simulated rounds of a configuration over the tiny phantom's sites."""
    config = resolved(config, {}, Path())
    settings = experiment_settings(config, task1_plan(config))
    work = round_work(SITES, {s.name: RoundConfig() for s in SITES}, settings, lambda n: steps(config, n))
    return simulated_rounds(settings, make_world(config, settings, SITES), work)


@pytest.fixture(scope="module")
def report(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the command says of the built-in FedAvg, measured with the real network."""
    here = tmp_path_factory.mktemp("here")
    challenge = Path(sys.executable).with_name("challenge")
    options = ["--data", str(tiny_data), "--workers", "2", "--outages", "mild", "--seed", "3"]
    done = subprocess.run(
        [challenge, "run", "task1", *options, "--dry-run"],
        cwd=here, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not list(here.iterdir()), "a dry run writes nothing into the working folder"
    lines = done.stdout.splitlines()
    return [line for line in lines if not line.startswith("preparing cases: ")]


def test_it_names_the_submission_the_sites_and_the_horizon(report: list[str], tiny_data: Path) -> None:
    assert report[0] == "submission fedavg (built-in), isolation: not needed"
    assert report[1].startswith(f"data: {tiny_data} (sha256:")
    assert report[2:6] == [
        "partition natural: 3 institutions, 4 cases to train, 3 to validate, 3 hidden",
        "  site 1: 2 to train, 1 to validate, 1 hidden",
        "  site 2: 1 to train, 1 to validate, 1 hidden",
        "  site 3: 1 to train, 1 to validate, 1 hidden",
    ]
    assert report[6].startswith("seed 3: ")
    assert report[7] == "simulated: profile default, outages mild, horizon 7.0 days"


def test_it_measures_a_batch_and_a_validation(report: list[str]) -> None:
    [device] = [line for line in report if line.startswith("device ")]
    [measured] = [line for line in report if line.startswith("measured: ")]
    [wall] = [line for line in report if line.startswith("expected wall time: ")]
    [memory] = [line for line in report if line.startswith("expected memory: ")]
    [disk] = [line for line in report if line.startswith("expected disk: ")]

    assert device.startswith("device cpu, 2 workers with one compute thread each, ")
    batch, validation, hidden, worker = map(float, re.findall(r"([\d.]+) s\b", measured))
    assert 0 < batch < 60 and 0 < validation < 60 and 0 < hidden < 60 and 0 < worker < 120
    assert re.fullmatch(r"expected wall time: [\d.]+ (s|min) a round, [\d.]+ (s|min) the run", wall)
    each = re.search(r"= 2 x ([\d.]+) MiB workers", memory)
    assert each and float(each[1]) > 100, "a worker that holds torch is larger than that"
    assert re.fullmatch(
        r"expected disk: [\d.]+ MiB checkpoint at most; [\d.]+ MiB cache, shared by all runs", disk
    )


def test_its_simulated_times_are_those_of_the_run(tiny_data: Path, tmp_path: Path) -> None:
    config = configuration(tiny_data, outages="severe", seed=5)
    start(config, tmp_path / "run", surroundings())
    rows = [line.split(",") for line in (tmp_path / "run" / "rounds.csv").read_text().splitlines()[1:-1]]

    assert rounds_of(config).times_s == pytest.approx([float(row[3]) for row in rows])


def test_rounds_stop_at_the_horizon(tiny_data: Path) -> None:
    whole = rounds_of(configuration(tiny_data, rounds=10))
    horizon = whole.times_s[0] + whole.times_s[1] / 2
    cut = rounds_of(configuration(tiny_data, rounds=10, horizon_s=horizon))

    assert len(whole.times_s) == 10
    assert cut.times_s == whole.times_s[:2]
    assert cut.fitting == 2


@pytest.mark.parametrize(("horizon", "fitting"), [(30.0, 3), (31.0, 4), (40.0, 4), (95.0, 10)])
def test_rounds_beyond_those_played_last_as_long_as_the_median(horizon: float, fitting: int) -> None:
    assert SimulatedRounds((8.0, 12.0, 10.0), horizon).fitting == fitting


def test_the_wall_time_is_that_of_the_slowest_worker() -> None:
    work = {
        "a": SiteWork(4, 1, True, 1.0, 8, 8),  # 8 batches, 2 validations: 8 s
        "b": SiteWork(2, 1, True, 1.0, 4, 4),  # 6 s
        "c": SiteWork(2, 1, True, 1.0, 2, 4),  # 5 s
        "d": SiteWork(2, 1, trains=False),  # 2 s
    }

    assert round_wall_s(work, MEASURED, workers=1, cores=2) == pytest.approx(21.0)
    assert round_wall_s(work, MEASURED, workers=2, cores=2) == pytest.approx(11.0)
    assert round_wall_s(work, MEASURED, workers=4, cores=2) == pytest.approx(16.0)
    # start 5, two rounds of 21, the last model's validation 8, three hidden cases 9
    assert run_wall_s(work, [2, 1], 2, MEASURED, workers=1, cores=2) == pytest.approx(64.0)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12), st.integers(1, 6))
def test_a_makespan_lies_between_its_bounds(seconds: list[float], workers: int) -> None:
    ends = makespan(seconds, workers)

    at_least = max(max(seconds), sum(seconds) / workers)
    assert at_least - 1e-6 <= ends <= sum(seconds) / workers + max(seconds) + 1e-6


def test_a_submission_that_cannot_be_loaded_ends_it_before_the_data(tmp_path: Path) -> None:
    submission = tmp_path / "team.py"
    submission.write_text("import no_such_library\n")
    config = configuration(tmp_path / "no-data", submission=submission, isolation="none")

    with pytest.raises(StrategyError, match="no_such_library"):
        estimate(config, Surroundings(Silent()))


def test_weights_that_do_not_fit_are_refused(tiny_data: Path, tmp_path: Path) -> None:
    import numpy as np

    from fl_core.durable import Disk
    from fl_core.tensors.codec import write_file

    write_file(tmp_path / "init.safetensors", {"weight": np.zeros(3, np.float32)}, disk=Disk())
    config = configuration(tiny_data, init=tmp_path / "init.safetensors")

    with pytest.raises(ConfigError, match="--init"):
        estimate(config, Surroundings(Silent()))


def test_nothing_is_left_but_the_cache(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    temporary, here = tmp_path / "tmp", tmp_path / "here"
    temporary.mkdir()
    here.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.chdir(here)
    submission = tmp_path / "team.py"
    submission.write_text("print('loaded')\ndef select_sites(context):\n    return context.names[:1]\n")

    lines = estimate(configuration(tiny_data, submission=submission), Surroundings(Silent()))

    assert lines[0].startswith("submission team (") and not lines[0].endswith("isolation: none")
    assert not list(temporary.iterdir()) and not list(here.iterdir())


def test_sizes_of_processes_come_from_the_system() -> None:
    assert (resident_bytes("self", "VmRSS") or 0) > 10 * 2**20
    assert resident_bytes("no-such-process", "VmRSS") is None


def test_numbers_are_written_for_people() -> None:
    assert [size(n) for n in (2**20, 1023 * 2**20, 2**30)] == ["1.0 MiB", "1023.0 MiB", "1.0 GiB"]
    assert [span(s) for s in (59.9, 60, 3600, 86400)] == ["59.9 s", "1.0 min", "1.0 h", "1.0 days"]
