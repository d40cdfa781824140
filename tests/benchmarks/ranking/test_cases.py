"""The ranking benchmark on a small board."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ranking.__main__ import main
from benchmarks.ranking.board import SIZES, SUBMISSIONS, board
from benchmarks.ranking.plain import plain_ranks
from benchmarks.ranking.rank_41x32 import HEADLINE, cases, generators, scheme_of
from benchmarks.report import Measurement
from leaderboard.uncertainty import bootstrap, drawn


def test_the_board_has_the_size_of_the_challenge() -> None:
    assert (SUBMISSIONS, len(SIZES), sum(SIZES)) == (41, 32, 2625)
    table = board(5, [4, 6], seed=1)

    assert table.values.shape == (5, 10, 6) and not np.isnan(table.values).any()
    assert table.evaluated.all()
    assert np.array_equal(board(5, [4, 6], seed=1).values, table.values)


def test_the_plain_way_ranks_the_same() -> None:
    table = board(6, [5, 9, 3])

    found = bootstrap(scheme_of(HEADLINE), table, None, generators, 40)

    assert np.array_equal(plain_ranks(table, drawn(table, 0, 40, generators)), found.ranks)


def test_the_cases_have_the_names_of_the_report() -> None:
    found = list(cases(1, board(4, [6, 7]), resamples=10))

    assert found[0].case == "rank-41x32" and found[0].reference_value > 0
    assert all(case.case.startswith(("peer-", "memory-")) for case in found[1:])


def test_the_report_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def measure(repeats: int) -> list[Measurement]:
        return [Measurement("rank-41x32", float(repeats), "s", "plain", 4.0)]

    assert main(["--json", str(tmp_path / "r.json"), "--repeats", "2"], measure) == 0

    report = json.loads((tmp_path / "r.json").read_text())
    assert report["name"] == "ranking" and report["cases"][0]["ratio"] == 0.5
    assert "rank-41x32" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--repeats", "0"], measure)
