from pathlib import Path

import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from challenge.cli.compare import compare
from challenge.records.errors import ComparisonError
from challenge.records.record import write_record
from fl_core.durable import Disk

app = typer.Typer()
app.command()(compare)


def make_run(folder: Path, dice: list[float], convergence: float, horizon: float, more: str = "") -> Path:
    folder.mkdir()
    rows = [
        f"fedavg,1,{number % 2},c{number},ok,{value},{374 - value}\n" for number, value in enumerate(dice)
    ]
    (folder / "cases.csv").write_text("submission,seed,site,case,status,dice_wt,hd95_wt\n" + "".join(rows))
    (folder / "rounds.csv").write_text(f"round,convergence_score\n0,0.1\n1,{convergence}\n")
    (folder / "config.yaml").write_text(f"score:\n  score_kind: hard_regions\nrounds: 1\n{more}")
    write_record(folder, {"horizon_s": horizon}, Ed25519PrivateKey.generate(), Disk())
    return folder


def call(*runs: Path) -> str:
    result = CliRunner().invoke(app, [str(run) for run in runs])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_a_table_of_paired_differences(tmp_path: Path) -> None:
    a = make_run(tmp_path / "a", [0.5, 0.5, 0.5, 0.5], 0.25, 600.0)
    b = make_run(tmp_path / "b", [0.75, 0.75, 0.75, 0.5, 1.0], 0.5, 600.0, "seed: 2\n")
    lines = call(a, b).splitlines()
    assert lines[0] == f"A: {a} (4 cases, record intact)"
    assert lines[1] == f"B: {b} (5 cases, record intact)"
    assert lines[2] == "4 cases in common at 2 sites"
    assert lines[3].split("\t")[:5] == ["metric", "cases", "mean A", "mean B", "B - A"]
    dice, distance = (line.split("\t") for line in lines[4:6])
    assert dice[:5] == ["dice_wt", "4", "0.5000", "0.6875", "+0.1875"]
    assert dice[6:] == ["3", "1", "0"]
    assert distance[:5] == ["hd95_wt", "4", "373.50", "373.31", "-0.19"]
    assert distance[6:] == ["3", "1", "0"]
    assert lines[6] == "convergence score: A 0.250000, B 0.500000, B - A +0.250000 (horizon 600 s)"
    assert lines[7:] == ["settings that differ:", "setting\tA\tB", "seed\t-\t2"]


def test_convergence_is_not_compared_over_different_horizons(tmp_path: Path) -> None:
    a = make_run(tmp_path / "a", [0.5], 0.25, 600.0)
    b = make_run(tmp_path / "b", [0.5], 0.5, 601.0)
    output = call(a, b)
    assert "not compared, the horizons differ (A 600 s, B 601 s)" in output
    assert "B - A +0.25" not in output
    assert "the settings are the same" in output


def test_a_run_that_was_changed_is_marked(tmp_path: Path) -> None:
    a = make_run(tmp_path / "a", [0.5], 0.25, 600.0)
    b = make_run(tmp_path / "b", [0.5], 0.5, 600.0)
    (b / "cases.csv").write_text((b / "cases.csv").read_text().replace("0.5", "0.9", 1))
    (a / "record.json").unlink()
    lines = call(a, b).splitlines()
    assert lines[0].endswith("(1 cases, no record)")
    assert lines[1].endswith("(1 cases, record NOT intact, see `challenge verify`)")


def test_runs_without_rounds_have_no_convergence(tmp_path: Path) -> None:
    a, b = make_run(tmp_path / "a", [0.5], 0.25, 600.0), make_run(tmp_path / "b", [0.5], 0.25, 600.0)
    (a / "rounds.csv").unlink()
    assert "convergence score: not compared, only one has one" in call(a, b)
    (b / "rounds.csv").unlink()
    assert "convergence score: not compared, neither has one" in call(a, b)


def test_nothing_in_common_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match="no test case in common"):
        call(make_run(tmp_path / "a", [0.5], 0.2, 600.0), make_run(tmp_path / "b", [], 0.2, 600.0))


def test_on_a_terminal_the_table_has_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    a, b = (
        make_run(tmp_path / "a", [0.5], 0.2, 600.0),
        make_run(tmp_path / "b", [0.5], 0.2, 600.0, "name: '[b]'\n"),
    )
    output = call(a, b)
    assert "┃" in output
    assert "[b]" in output
