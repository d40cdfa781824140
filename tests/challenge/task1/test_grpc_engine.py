"""`--engine grpc` on the "+1" trainer: whole folders equal those of `--engine local`, whatever happens."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from faulty_disk import Death, FaultyDisk
from plus_one_engine import configuration, plus_one_engine, results, surroundings

from challenge.config import ConfigError, Task1Config, parse_config
from challenge.records.verify import verify
from challenge.task1.engine import Engine
from challenge.task1.executors import Room
from challenge.task1.inputs import Inputs
from challenge.task1.run import resume, start
from challenge.task1.surroundings import Surroundings
from fl_core.errors import WorkerError
from fl_core.federation.hosting.loopback import HostedExecutor


def tables(folder: Path) -> dict[str, bytes]:
    """Return what is equal under every engine; `config.yaml` names the engine."""
    return {name: content for name, content in results(folder).items() if name != "config.yaml"}


def watched(told: Callable[[HostedExecutor], None]) -> Surroundings:
    """Return surroundings that show the executor to somebody."""

    @contextmanager
    def engine(config: Task1Config, inputs: Inputs, room: Room) -> Iterator[Engine]:
        with plus_one_engine(config, inputs, room) as opened:
            assert isinstance(opened.executor, HostedExecutor)
            told(opened.executor)
            yield opened

    return replace(surroundings(), engine=engine)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("local") / "run"
    start(configuration(tiny_data, outages="severe", seed=5), folder, surroundings())
    return tables(folder)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_folder_is_that_of_the_local_engine(
    tmp_path: Path, tiny_data: Path, local: dict[str, bytes], workers: int
) -> None:
    config = configuration(tiny_data, outages="severe", seed=5, engine="grpc", workers=workers)
    start(config, tmp_path / "run", surroundings())

    assert tables(tmp_path / "run") == local
    assert verify(tmp_path / "run", ()).intact
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["facts"]["engine"]["name"] == "grpc"
    assert not list((tmp_path / "run" / "checkpoint").glob("engine-*"))


@pytest.mark.parametrize("values", [{"opt_treatment": "CONTINUE_LOCAL"}, {"delta_updates": True}])
def test_what_sites_keep_and_differences_are_those_of_the_local_engine(
    tmp_path: Path, tiny_data: Path, values: dict[str, Any]
) -> None:
    start(configuration(tiny_data, **values), tmp_path / "local", surroundings())
    start(configuration(tiny_data, engine="grpc", workers=2, **values), tmp_path / "grpc", surroundings())

    assert tables(tmp_path / "grpc") == tables(tmp_path / "local")


@pytest.mark.parametrize(("first", "then"), [("grpc", "grpc"), ("grpc", "local"), ("local", "grpc")])
def test_a_run_goes_on_with_either_engine(
    tmp_path: Path, tiny_data: Path, local: dict[str, bytes], first: str, then: str
) -> None:
    probe, folder = FaultyDisk(), tmp_path / "run"
    values = {"outages": "severe", "seed": 5}
    start(configuration(tiny_data, **values), tmp_path / "probe", surroundings(probe))
    second = [step for step, name in enumerate(probe.steps) if name == "rename state.json"][1]
    with pytest.raises(Death):
        start(
            configuration(tiny_data, engine=first, workers=2, **values),
            folder,
            surroundings(FaultyDisk(second + 1, "after")),
        )
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), "engine": then}))

    resume(folder, None, None, True, surroundings())

    assert tables(folder) == local
    assert json.loads((folder / "record.json").read_text())["facts"]["engine"]["name"] == then


def test_hosts_that_are_killed_change_no_byte(
    tmp_path: Path, tiny_data: Path, local: dict[str, bytes]
) -> None:
    killed: list[int] = []

    def kill_one_a_round(executor: HostedExecutor) -> None:
        def run(model: Any, jobs: Any) -> Any:
            reports = HostedExecutor.run(executor, model, jobs)
            for number, report in enumerate(reports):
                yield report
                if number == 0:
                    killed.append(executor.pids[jobs[0].round % 2])
                    os.kill(killed[-1], signal.SIGKILL)

        executor.run = run  # type: ignore[method-assign]

    config = configuration(tiny_data, outages="severe", seed=5, engine="grpc", workers=2)
    start(config, tmp_path / "run", watched(kill_one_a_round))

    assert len(set(killed)) >= 4, "three rounds and the score of the last model"
    assert tables(tmp_path / "run") == local


def test_an_error_of_the_sites_leaves_a_run_that_can_be_resumed(
    tmp_path: Path, tiny_data: Path, local: dict[str, bytes]
) -> None:
    def break_down(executor: HostedExecutor) -> None:
        def run(model: Any, jobs: Any) -> Any:
            if jobs[0].round == 1:
                raise WorkerError("site 1 failed 2 times in round 1: its host ended (signal SIGKILL)")
            return HostedExecutor.run(executor, model, jobs)

        executor.run = run  # type: ignore[method-assign]

    config = configuration(tiny_data, outages="severe", seed=5, engine="grpc", workers=2)
    with pytest.raises(WorkerError, match="site 1 failed 2 times"):
        start(config, tmp_path / "run", watched(break_down))
    resume(tmp_path / "run", None, None, True, surroundings())

    assert tables(tmp_path / "run") == local


def test_imposed_outages_cost_time_and_change_no_byte(
    tmp_path: Path, tiny_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outages = {
        "kind": "windows",
        "windows": [
            {"site": site, "start_s": start, "end_s": start + 70.0}
            for site, first in (("1", 0.0), ("2", 40.0), ("3", 90.0))
            for start in range(int(first), 3000, 150)
        ],
    }
    values = {"outages": outages, "horizon_s": 3000.0}
    start(configuration(tiny_data, **values), tmp_path / "local", surroundings())
    with caplog.at_level(logging.INFO, "fl_core.transport.imposed_outages"):
        start(
            configuration(tiny_data, engine="grpc", workers=2, impose_outages=100.0, **values),
            tmp_path / "grpc",
            surroundings(),
        )

    assert tables(tmp_path / "grpc") == tables(tmp_path / "local")
    met = [record.getMessage() for record in caplog.records if record.getMessage().startswith("imposed")]
    assert any("refused: an imposed outage: 1 is offline" in line for line in met), met


@pytest.mark.parametrize("key", ["federation", "impose_outages"])
def test_what_needs_connections_is_refused_without_them(key: str) -> None:
    with pytest.raises(ConfigError, match=f"test: {key} needs real connections: set engine to grpc"):
        parse_config({key: "2"}, "test")


def test_the_engine_is_no_part_of_what_decides_but_where_sites_keep_their_state_is() -> None:
    digests = [
        parse_config({"engine": "grpc", **values}, "test").digest()
        for values in ({}, {"impose_outages": 3.0}, {"federation": "w"}, {"federation": "elsewhere"})
    ]
    assert digests[0] == digests[1] == parse_config({}, "test").digest()
    assert digests[2] == digests[3] != digests[0]
