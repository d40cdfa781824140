"""The rivals' runs: they differ in one thing alone, and none is made twice. On the "+1" trainer."""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from plus_one_engine import surroundings

from benchmarks.task1.rivals import fedavg
from benchmarks.task1.runs import Outcome, batches_a_round, compete, finished, through_the_command
from challenge.cli.run_task1 import configuration
from challenge.task1.run import start
from fl_core.errors import FederationError, InputError
from partitions.table import read_partition


class Recorder:
    """Runs a configuration on the "+1" trainer and notes which."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, config: Path, out: Path) -> None:
        start(configuration({}, config), out, surroundings())
        self.made.append(out.name)


def quiet(text: str) -> None:
    """Say nothing."""


def play(data: Path, out: Path, run: Recorder, version: str = "1", **values: Any) -> list[Outcome]:
    """Let the rivals of seed 11 compete, on a recipe of the tests' own."""
    training = {"patches_per_case": 4, "batch_size": 2}
    common = {"data": str(data), "rounds": 2, "epochs": 2.0, "training": training, **values}
    return compete(11, common, version, out, run, quiet)


def table(path: Path) -> list[Mapping[str, str]]:
    """Read a CSV."""
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def competed(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Outcome], Path]:
    """The outcomes and the folder of one seed."""
    out = tmp_path_factory.mktemp("bench")
    return play(tiny_data, out, Recorder()), out / "seed-11"


def test_every_rival_runs_with_the_seed(competed: tuple[list[Outcome], Path]) -> None:
    outcomes, folder = competed

    assert [o.rival for o in outcomes] == ["fedavg", "pooled", "local-1", "local-2", "local-3"]
    assert {o.seed for o in outcomes} == {11} and {o.rounds for o in outcomes} == {2}
    for outcome in outcomes:
        rows = table(folder / outcome.rival / "rounds.csv")
        best = max(rows, key=lambda row: float(row["round_score"]))
        assert outcome.score == float(best["round_score"])
        assert outcome.dice == {r: float(best[f"dice_{r}"]) for r in ("wt", "tc", "et")}
        assert outcome.simulated_s == pytest.approx(float(rows[-1]["simulated_time_s"]))


def test_all_rivals_have_the_same_cases_for_the_same_purpose(competed: tuple[list[Outcome], Path]) -> None:
    outcomes, folder = competed
    purposes = [
        {(row.case, row.part) for row in read_partition(folder / o.rival / "partition.csv").rows}
        for o in outcomes
    ]

    assert all(purpose == purposes[0] for purpose in purposes) and len(purposes[0]) == 10
    pooled = read_partition(folder / "pooled" / "partition.csv")
    assert set(pooled.institutions) == {"pooled"}
    assert len({o.digests["data"] for o in outcomes}) == 1


def test_a_local_model_is_trained_by_its_institution_alone(competed: tuple[list[Outcome], Path]) -> None:
    _, folder = competed
    together = {(r["round"], r["site"]): r["epochs"] for r in table(folder / "fedavg" / "sites.csv")}

    for site in ("1", "2", "3"):
        rows = table(folder / f"local-{site}" / "sites.csv")
        trained = {(r["round"], r["site"]): r["epochs"] for r in rows if float(r["epochs"] or 0) > 0}
        assert trained == {key: epochs for key, epochs in together.items() if key[1] == site}


def test_pooled_training_takes_as_many_steps(competed: tuple[list[Outcome], Path]) -> None:
    _, folder = competed
    split = read_partition(folder / "fedavg" / "partition.csv")

    # 2, 1 and 1 training cases, 4 patches a case, 2 a batch, 2 epochs: 8 + 4 + 4
    assert batches_a_round(folder / "fedavg", split) == 16
    assert "RoundConfig(batches=16)" in (folder / "pooled.py").read_text()
    [row, *_] = table(folder / "pooled" / "sites.csv")
    assert float(row["epochs"]) == 16 / 8


def test_pooled_training_is_not_ended_by_the_horizon_of_fedavg(competed: tuple[list[Outcome], Path]) -> None:
    _, folder = competed

    for rival in ("pooled", "local-1"):
        assert yaml.safe_load((folder / f"{rival}.yaml").read_text())["horizon_s"] == 604800.0


def test_what_is_finished_is_not_run_again(
    competed: tuple[list[Outcome], Path], tiny_data: Path, tmp_path: Path
) -> None:
    outcomes, folder = competed
    shutil.copytree(folder, tmp_path / "seed-11")
    shutil.rmtree(tmp_path / "seed-11" / "local-2")
    run = Recorder()

    again = play(tiny_data, tmp_path, run)

    assert run.made == ["local-2"]
    assert [o.digests for o in again] == [o.digests for o in outcomes]
    with pytest.raises(InputError, match="values changed"):
        play(tiny_data, tmp_path, Recorder(), epochs=3.0)
    with pytest.raises(InputError, match="version changed"):
        play(tiny_data, tmp_path, Recorder(), version="2")


def test_a_failed_command_is_named_with_its_last_line(tmp_path: Path) -> None:
    missing = fedavg({"seed": 0, "data": str(tmp_path / "none"), "tracking_uri": "off"})

    with pytest.raises(FederationError, match=r"exit code 2: error: data: .* does not exist"):
        finished(missing, "1", tmp_path / "seed-0", through_the_command([]), quiet)


@pytest.mark.slow
def test_the_command_runs_the_real_thing(tiny_data: Path, tmp_path: Path) -> None:
    import json
    import subprocess

    report, page = tmp_path / "report.json", tmp_path / "page.md"
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.task1", "--data", str(tiny_data), "--rounds", "1",
            "--seeds", "11", "--workers", "1", "--out", str(tmp_path / "runs"),
            "--json", str(report), "--markdown", str(page),
        ],
        cwd=root, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    cases = {case["case"]: case for case in json.loads(report.read_text())["cases"]}
    assert set(cases) == {
        "fedavg-over-pooled", "fedavg-over-local", "peer-pooled-seed-11", "peer-local-seed-11",
    }  # fmt: skip
    assert cases["peer-pooled-seed-11"]["reference_value"] > 0
    text = page.read_text()
    assert "- seeds: 11" in text and "| median local |" in text and "### Seed 11" in done.stdout
