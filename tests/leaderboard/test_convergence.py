from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leaderboard.convergence import one_horizon, read_convergence
from leaderboard.errors import TableError


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_seeds_count_once_with_their_mean(tmp_path: Path) -> None:
    path = write(
        tmp_path / "c.csv", "submission,convergence_score,seed", "a,0.5,1", "a,0.75,2", "b,0.25,1", "c,,1"
    )

    found = read_convergence([path])

    assert found.scores["a"] == 0.625
    assert found.scores["b"] == 0.25
    assert np.isnan(found.scores["c"])
    assert found.horizon_s is None


def test_horizons_may_not_be_mixed(tmp_path: Path) -> None:
    one = write(tmp_path / "one.csv", "submission,convergence_score,horizon_s", "a,0.5,604800")
    two = write(tmp_path / "two.csv", "submission,convergence_score,horizon_s", "b,0.5,3600")

    assert read_convergence([one]).horizon_s == 604800
    assert read_convergence([one], {"runs/a/record.json": 604800.0, "runs/b": None}).horizon_s == 604800
    with pytest.raises(TableError, match=r"one.csv, row 2 has 604800 s, .*two.csv, row 2 3600 s"):
        read_convergence([one, two])
    with pytest.raises(TableError, match=r"record.json has 3600 s"):
        read_convergence([one], {"runs/a/record.json": 3600.0})
    assert one_horizon({}) is None


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["submission,score", "a,1"], "row 1: has no column convergence_score"),
        (["submission,convergence_score", "a,fast"], "row 2, column convergence_score: 'fast'"),
        (["submission,convergence_score", ",1"], "row 2, column submission: is empty"),
        (["submission,convergence_score", "a,1", "a,2"], "row 3: submission a .* row 2"),
        (["submission,convergence_score,horizon_s", "a,1,inf"], "row 2, column horizon_s"),
    ],
)
def test_a_bad_row_is_named(lines: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=message):
        read_convergence([write(tmp_path / "c.csv", *lines)])
