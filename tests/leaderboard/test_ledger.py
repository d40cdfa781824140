"""The ledger: from tables and from the folders of runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ranking_tables import array_table, without_cells

from leaderboard.cases import case_table
from leaderboard.errors import TableError
from leaderboard.ledger import site_ledger, submission_ledger
from leaderboard.ranking.summarise import FETS2022_RULES, summarise_site
from leaderboard.run_folder import read_run

RECORD = {"schema": "record/1", "facts": {"horizon_s": 600.0, "wall_s": 12.5}}


def run_folder(folder: Path, submission: str = "m00", seed: int = 1, time: float = 100.0) -> Path:
    folder.mkdir()
    (folder / "record.json").write_text(json.dumps(RECORD))
    (folder / "cases.csv").write_text(
        f"submission,seed,site\n{submission},{seed},s000\n{submission},{seed},s001\n"
    )
    (folder / "rounds.csv").write_text(
        "round,simulated_time_s,convergence_score,bytes\n"
        f"0,{time / 2},0.25,300\n1,{time},0.5,400\n2,{time},,0\n"
    )
    (folder / "sites.csv").write_text(
        "round,site,time_s,bytes_down,bytes_up\n0,s000,10,100,200\n0,s001,,,\n1,s000,15,200,200\n1,s001,7,0,0\n"
    )
    return folder


def test_a_run_folder_tells_its_costs(tmp_path: Path) -> None:
    run = read_run(run_folder(tmp_path / "a"))

    assert run is not None
    assert (run.submission, run.seed, run.horizon_s, run.convergence_score) == ("m00", "1", 600.0, 0.5)
    assert (run.simulated_time_s, run.bytes, run.wall_s, run.peak_memory_bytes) == (100.0, 700, 12.5, None)
    assert {name: (cost.simulated_time_s, cost.bytes) for name, cost in run.sites.items()} == {
        "s000": (25.0, 700),
        "s001": (7.0, 0),
    }


def test_a_folder_without_a_record_or_of_many_submissions_tells_nothing(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "a")
    (folder / "record.json").unlink()
    assert read_run(folder) is None
    folder = run_folder(tmp_path / "b")
    (folder / "cases.csv").write_text("submission,seed\nx,1\ny,1\n")
    assert read_run(folder) is None


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("record.json", "{", "is no record"),
        ("record.json", "[" * 100_000, "is no record"),
        ("record.json", '{"schema": "record/9", "facts": {}}', "not of the schema record/1"),
        ("rounds.csv", "round\n0\n", "has no column simulated_time_s, convergence_score, bytes"),
        ("rounds.csv", "simulated_time_s,convergence_score,bytes\nnan,,1\n", "'nan' is no finite number"),
        ("sites.csv", "site,time_s,bytes_down,bytes_up\ns,1,x,1\n", "'x' is no finite number"),
    ],
)
def test_a_broken_run_folder_is_named(tmp_path: Path, file: str, content: str, message: str) -> None:
    folder = run_folder(tmp_path / "a")
    (folder / file).write_text(content)

    with pytest.raises(TableError, match=message) as caught:
        read_run(folder)

    assert str(folder / file) in str(caught.value)


def test_the_worst_site_and_the_worst_cases_are_seen() -> None:
    values = np.full((2, 8, 2), [0.9, 2.0])
    values[0, 5:] = [[0.3, 50], [0.0, 374], [0.6, 10]]
    table = array_table(values, [5, 3])

    first, second = submission_ledger(table, {"m00": 0.7, "m01": float("nan")})

    dice = [0.9] * 5 + [0.3, 0.0, 0.6]
    assert first.dice_mean == pytest.approx(np.mean(dice))
    assert first.dice_q05 == pytest.approx(np.quantile(dice, 0.05))
    assert first.hd95_q95 == pytest.approx(-np.quantile([-2.0] * 5 + [-50, -374, -10], 0.05))
    assert (first.worst_site, first.worst_site_dice) == ("s001", pytest.approx(0.3))
    assert (second.worst_site, second.convergence_score, first.convergence_score) == ("s000", None, 0.7)
    assert (first.runs, first.bytes, first.wall_s) == (0, None, None)


def test_the_dice_of_a_case_is_that_of_all_regions() -> None:
    metrics = ("dice_wt", "dice_et", "hd95_wt")
    table = array_table([[[0.8, 0.4, 1.0], [0.9, np.nan, 2.0]]], [2], metrics)

    (entry,) = site_ledger(table)

    assert (entry.dice_mean, entry.missing, entry.cases) == (pytest.approx(0.6), 1, 2)
    assert entry.hd95_mean == pytest.approx(1.5)


def test_failures_and_cells_that_were_not_evaluated_are_told_apart() -> None:
    table = without_cells(
        array_table(np.full((2, 4, 2), 0.5), [2, 2]), np.array([[False, True], [False, False]])
    )
    rows = [
        {"submission": "m00", "seed": seed, "site": "s", "case": case, "status": status, "dice_wt": 0.0}
        for seed, case, status in (
            ("1", "a", "ok"),
            ("2", "a", "crashed"),
            ("1", "b", "ok"),
            ("2", "b", "ok"),
        )
    ]

    assert [(entry.submission, entry.site) for entry in site_ledger(table)] == [
        ("m00", "s000"),
        ("m01", "s000"),
        ("m01", "s001"),
    ]
    assert submission_ledger(table, None)[0].sites == 1
    assert submission_ledger(case_table(rows, ["dice_wt"]), None)[0].penalised_share == 0.25


def test_costs_are_means_over_the_runs(tmp_path: Path) -> None:
    table = array_table(np.full((2, 2, 2), 0.5), [1, 1])
    runs = [
        read_run(run_folder(tmp_path / "a", time=100.0)),
        read_run(run_folder(tmp_path / "b", seed=2, time=300.0)),
    ]
    known = [run for run in runs if run is not None]

    first, second = submission_ledger(table, None, known)

    assert (first.runs, first.simulated_time_s, first.bytes, first.wall_s) == (2, 200.0, 700.0, 12.5)
    assert (second.runs, second.simulated_time_s) == (0, None)
    at_sites = {(entry.submission, entry.site): entry for entry in site_ledger(table, known)}
    assert at_sites["m00", "s000"].simulated_time_s == 25.0 and at_sites["m00", "s000"].bytes == 700.0
    assert at_sites["m01", "s000"].bytes is None


def test_a_site_with_a_summary_counts_cases_and_failures() -> None:
    values = np.random.default_rng(0).random((2, 5, 2))
    whole = array_table(values, [2, 3], penalised=[[0, 0, 1, 1, 0], [0] * 5])
    summary = summarise_site(whole, "s001", FETS2022_RULES)
    rest = whole.of_sites(["s000"])
    table = type(rest)(**{**vars(rest), "summaries": (summary,)})

    first = submission_ledger(table, None)[0]

    assert (first.cases, first.sites, first.worst_site) == (5, 2, "s000")
    assert first.penalised_share == pytest.approx(2 / 5)
    assert first.dice_mean == pytest.approx(values[0, :2, 0].mean())
