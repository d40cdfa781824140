"""``challenge leaderboard rank`` through the real command line."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from challenge.cli.leaderboard import SCHEME_IDS
from challenge.cli.main import run
from leaderboard.cases import read_cases
from leaderboard.ranking.registry import SCHEMES
from leaderboard.ranking.summarise import FETS2022_RULES, summarise_site
from leaderboard.site_summary import summary_json

BIN = Path(sys.executable).parent / "challenge"
METRICS = ("dice_wt", "dice_tc", "dice_et", "hd95_wt", "hd95_tc", "hd95_et")
HEADER = ",".join(("submission", "seed", "site", "case", "status", *METRICS))


def in_a_process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command in a folder."""
    command = [BIN, "leaderboard", "rank", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def challenge(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same from its entry point on, in this process: a second less for each call."""
    out, err, before = io.StringIO(), io.StringIO(), Path.cwd()
    command = ["challenge", "leaderboard", "rank", *arguments]
    os.chdir(folder)
    try:
        with (
            mock.patch.object(sys, "argv", command),
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.raises(SystemExit) as end,
        ):
            run()
    finally:
        os.chdir(before)
    code = end.value.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


def rows(names: str, sites: int = 3, cases: int = 4) -> Iterator[tuple[str, str, str]]:
    """Submission, site and line of cases.csv: the later the letter the better, with noise."""
    for name in names:
        for site in range(sites):
            for case in range(cases):
                rng = np.random.default_rng([ord(name), site, case])
                dice = np.clip(0.1 * (ord(name) - ord("a")) + rng.random(3) * 0.6, 0, 1).round(3)
                values = [*dice, *(50 * (1 - dice)).round(3)]
                line = ",".join([name, "0", f"s{site}", f"c{case}", "ok", *map(str, values)])
                yield name, f"s{site}", line


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


@pytest.fixture
def two_files(tmp_path: Path) -> Path:
    write(tmp_path / "one.csv", [line for _, _, line in rows("ab")])
    write(tmp_path / "two.csv", [line for _, _, line in rows("cd")])
    return tmp_path


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


def test_a_ranking_from_files_alone(two_files: Path) -> None:
    done = in_a_process(
        two_files, "--cases", "one.csv", "two.csv", "--scheme", "fets2022-task2-py", "--out", "r.csv"
    )

    assert done.returncode == 0, done.stderr
    found = table(two_files / "r.csv")
    assert list(found[0])[:6] == ["submission", "score", "rank", "rank_low", "rank_high", "p_first"]
    assert sorted(row["submission"] for row in found) == ["a", "b", "c", "d"]
    assert [row["rank"] for row in found] == sorted(row["rank"] for row in found)
    assert found[0]["submission"] == "d"
    assert sum(float(row["p_first"]) for row in found) == pytest.approx(1)
    for row in found:
        assert float(row["rank_low"]) <= float(row["rank"]) <= float(row["rank_high"])
        assert row["rank_possible_low"] == row["rank_possible_high"] == row["rank"]
        assert -1 <= float(row["kendall_tau_low"]) <= float(row["kendall_tau"]) <= 1
    settings = json.loads((two_files / "r.json").read_text())
    assert (settings["schema"], settings["scheme"], settings["seed"]) == ("ranking/1", "fets2022-task2-py", 0)
    assert settings["inputs"]["one.csv"] == hashlib.sha256((two_files / "one.csv").read_bytes()).hexdigest()
    written = {path.name for path in two_files.iterdir()} - {"one.csv", "two.csv", "r.json"}
    assert set(settings["files"]) == written
    assert settings["rules"]["ties"] == "min" and settings["resamples"] == 1000
    assert "P(first)" in done.stdout and "Kendall's tau" in done.stdout
    matrix = table(two_files / "r-significance-map.csv")
    assert [row["better"] for row in matrix] == [row["submission"] for row in found]
    assert [row["submission"] for row in table(two_files / "r-ledger.csv")] == ["a", "b", "c", "d"]
    assert len(table(two_files / "r-sites-left-out.csv")) == 3


def test_the_order_of_files_and_rows_does_not_matter_and_a_seed_repeats(two_files: Path) -> None:
    lines = (two_files / "one.csv").read_text().splitlines()[1:]
    write(two_files / "turned.csv", lines[::-1])
    scheme = ("--scheme", "fets2022-task2-r", "--resamples", "200")

    assert not challenge(two_files, "--cases", "one.csv", "two.csv", *scheme, "--out", "x.csv").returncode
    assert not challenge(two_files, "two.csv", *scheme, "--cases", "turned.csv", "--out", "y.csv").returncode
    other = challenge(
        two_files,
        "--cases",
        "one.csv",
        "two.csv",
        *scheme,
        "--out",
        "z.csv",
        "--seed",
        "1",
        "--format",
        "csv",
    )

    assert (two_files / "x.csv").read_bytes() == (two_files / "y.csv").read_bytes()
    for name in ("significance", "ledger", "ledger-sites", "sites-left-out", "significance-map"):
        one, two = (two_files / f"{stem}-{name}.csv" for stem in "xy")
        assert one.read_bytes() == two.read_bytes()
    assert other.stdout == (two_files / "z.csv").read_text() != (two_files / "x.csv").read_text()


def test_missing_cells_need_a_policy(tmp_path: Path) -> None:
    lines = [line for name, site, line in rows("abc") if (name, site) != ("c", "s1")]
    write(tmp_path / "cases.csv", lines)
    call = ("--cases", "cases.csv", "--scheme", "fets2022-task2-py", "--resamples", "50")

    refused = challenge(tmp_path, *call, "--out", "r.csv")

    assert refused.returncode == 2
    assert "c at s1" in refused.stderr
    assert all(policy in refused.stderr for policy in ("drop-site", "worst-rank", "pairwise"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.csv"]
    for policy in ("drop-site", "worst-rank", "pairwise"):
        done = challenge(tmp_path, *call, "--out", f"{policy}.csv", "--missing", policy)
        assert done.returncode == 0, done.stderr
        settings = json.loads((tmp_path / f"{policy}.json").read_text())
        assert settings["missing_cells"] == [["c", "s1"]]
        assert settings["dropped_sites"] == (["s1"] if policy == "drop-site" else [])
        for row in table(tmp_path / f"{policy}.csv"):
            assert float(row["rank_possible_low"]) <= float(row["rank_possible_high"])
        assert "possible" in done.stdout


def test_open_rules_are_declared_or_told(tmp_path: Path) -> None:
    lines = [line for _, _, line in rows("ab")]
    fields = lines[0].split(",")
    write(tmp_path / "gap.csv", [",".join([*fields[:5], "", *fields[6:]]), *lines[1:]])
    write(tmp_path / "full.csv", lines)

    told = challenge(tmp_path, "--cases", "full.csv", "--scheme", "rank-then-mean", "--out", "r.csv")
    refused = challenge(tmp_path, "--cases", "gap.csv", "--scheme", "rank-then-mean", "--out", "g.csv")
    declared = challenge(
        tmp_path, "--cases", "gap.csv", "--scheme", "rank-then-mean", "--out", "g.csv",
        "--ties", "average", "--missing-values", "last", "--penalised", "as-missing",
    )  # fmt: skip

    assert told.returncode == 0 and "not declared, so as in challengeR: --ties min" in told.stderr
    assert "--ties min" in json.loads((tmp_path / "r.json").read_text())["notes"][0]
    assert refused.returncode == 2 and "--missing-values last or penalty" in refused.stderr
    assert "case c0" in refused.stderr
    assert declared.returncode == 0 and "not declared" not in declared.stderr
    assert json.loads((tmp_path / "g.json").read_text())["rules"] == {
        "ties": "average",
        "final_ties": "average",
        "missing_values": "last",
        "penalised": "as-missing",
        "missing_cells": "refuse",
    }


def test_all_schemes_and_how_they_agree(two_files: Path) -> None:
    (two_files / "speed.csv").write_text(
        "submission,convergence_score\n"
        + "".join(f"{name},0.{number}\n" for number, name in enumerate("abcd", 1))
    )

    done = challenge(
        two_files, "--cases", "one.csv", "two.csv", "--convergence", "speed.csv", "--out", "r.csv",
        "--scheme", "fets2022-task1", "--all-schemes", "--resamples", "50", "--challenger",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    agreement = table(two_files / "r-agreement.csv")
    assert len(agreement) == 8 and all(row[row["scheme"]] == "1" for row in agreement)
    schemes = table(two_files / "r-schemes.csv")
    assert len(schemes) == 8 * 4 and list(schemes[0])[:2] == ["scheme", "submission"]
    assert len(json.loads((two_files / "r.json").read_text())["other_schemes"]) == 7
    assert len(table(two_files / "r-challenger-lower.csv")) == 4 * 12 * 3


def run_folder(folder: Path, name: str, convergence: float, horizon: float) -> None:
    folder.mkdir()
    write(folder / "cases.csv", [line for _, _, line in rows(name)])
    (folder / "record.json").write_text(
        json.dumps({"schema": "record/1", "facts": {"horizon_s": horizon, "wall_s": 3.0}})
    )
    (folder / "rounds.csv").write_text(
        f"round,simulated_time_s,convergence_score,bytes\n0,50,{convergence},1000\n"
    )


def test_run_folders_give_convergence_and_costs_and_horizons_are_not_mixed(tmp_path: Path) -> None:
    for name, convergence, horizon in (("a", 0.9, 600.0), ("b", 0.1, 600.0), ("c", 0.5, 601.0)):
        run_folder(tmp_path / name, name, convergence, horizon)
    call = ("--scheme", "fets2022-task1", "--resamples", "20", "--cases", "a/cases.csv", "b/cases.csv")

    done = challenge(tmp_path, *call, "--out", "r.csv")
    mixed = challenge(tmp_path, *call, "c/cases.csv", "--out", "m.csv")
    (tmp_path / "speed.csv").write_text("submission,convergence_score\na,0.2\nb,0.3\nc,0.4\n")
    told = challenge(tmp_path, *call, "c/cases.csv", "--out", "m.csv", "--convergence", "speed.csv")

    assert done.returncode == 0, done.stderr
    ledger = table(tmp_path / "r-ledger.csv")
    assert [row["convergence_score"] for row in ledger] == ["0.9", "0.1"]
    assert [(row["bytes"], row["wall_s"], row["simulated_time_s"]) for row in ledger] == [
        ("1000", "3", "50")
    ] * 2
    assert json.loads((tmp_path / "r.json").read_text())["horizon_s"] == 600.0
    for refused in (mixed, told):
        assert refused.returncode == 2 and "different horizons" in refused.stderr


def test_sites_without_case_values_are_ranked_by_their_summaries(two_files: Path) -> None:
    whole = read_cases([two_files / "one.csv", two_files / "two.csv"])
    for site in whole.sites:
        summary = summarise_site(whole, site, FETS2022_RULES)
        (two_files / f"{site}.json").write_bytes(summary_json(summary))
    call = ("--scheme", "fets2022-task2-r", "--resamples", "50")

    known = challenge(two_files, "--cases", "one.csv", "two.csv", *call, "--out", "cases.csv")
    told = [word for site in whole.sites for word in ("--summary", f"{site}.json")]
    done = challenge(two_files, *told, *call, "--out", "summaries.csv")

    assert (known.returncode, done.returncode) == (0, 0), done.stderr
    one, two = (table(two_files / f"{name}.csv") for name in ("cases", "summaries"))
    for row, other in zip(one, two, strict=True):
        assert (row["submission"], row["score"], row["rank"]) == (
            other["submission"],
            other["score"],
            other["rank"],
        )
    assert json.loads((two_files / "summaries.json").read_text())["site_summaries"] == list(whole.sites)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option"),
        (["--scheme", "fets2022-task2-p", "--out", "r.csv"], "did you mean fets2022-task2"),
        (["--scheme", "fets2022-task1", "--out", "r.csv"], "give --convergence a file"),
        (["--scheme", "rank-then-mean", "--out", "one.csv"], "exists already"),
        (["--scheme", "rank-then-mean", "--out", "x/r.csv"], "there is no folder x"),
        (["--scheme", "rank-then-mean", "--out", "r"], "ends in .csv"),
        (
            ["--scheme", "rank-then-mean", "--out", "r.csv", "--missing", "zero"],
            "'zero' is none of drop-site",
        ),
        (["--scheme", "fets2022-task2-py", "--out", "r.csv", "--ties", "average"], "published with ties min"),
        (["--scheme", "rank-then-mean", "--out", "r.csv", "none.csv"], "none.csv: cannot be read"),
    ],
)
def test_a_wrong_call_is_one_line(two_files: Path, arguments: list[str], message: str) -> None:
    done = challenge(two_files, "--cases", "one.csv", *arguments)

    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in two_files.iterdir()) == ["one.csv", "two.csv"]


def test_what_stands_beside_an_earlier_ranking_is_not_replaced(two_files: Path) -> None:
    (two_files / "r-ledger.csv").write_text("mine\n")

    done = challenge(two_files, "--cases", "one.csv", "--scheme", "fets2022-task2-r", "--out", "r.csv")

    assert done.returncode == 2 and "r-ledger.csv exists already" in done.stderr
    assert (two_files / "r-ledger.csv").read_text() == "mine\n"


def test_the_help_names_all_schemes() -> None:
    assert SCHEME_IDS.split(", ") == list(SCHEMES)


def test_one_submission_at_one_site_is_first(tmp_path: Path) -> None:
    write(tmp_path / "cases.csv", [line for _, _, line in rows("a", sites=1, cases=1)])

    done = challenge(tmp_path, "--cases", "cases.csv", "--scheme", "fets2022-task2-py", "--out", "r.csv")

    assert done.returncode == 0, done.stderr
    (row,) = table(tmp_path / "r.csv")
    assert (row["rank"], row["rank_high"], row["p_first"], row["kendall_tau"]) == ("1", "1", "1", "1")
    assert row["rank_site_out_low"] == ""


def test_a_name_from_a_file_cannot_steer_the_terminal(tmp_path: Path) -> None:
    lines = [line.replace("a,", "[red]\x1b[2Jx,", 1) for _, _, line in rows("a")]
    write(tmp_path / "cases.csv", lines + [line for _, _, line in rows("b")])

    done = challenge(
        tmp_path,
        "--cases",
        "cases.csv",
        "--scheme",
        "fets2022-task2-py",
        "--out",
        "r.csv",
        "--resamples",
        "10",
    )

    assert done.returncode == 0, done.stderr
    assert "[red]?[2Jx" in done.stdout and "\x1b" not in done.stdout
